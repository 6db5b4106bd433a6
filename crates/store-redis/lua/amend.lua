-- Changes a score unless somebody else has changed it since it was seen.
-- KEYS[1] a sorted set
-- ARGV    1 member, 2 the score seen, 3 the new score or '' to remove the member
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or tonumber(score) ~= tonumber(ARGV[2]) then return 0 end
if ARGV[3] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
end
return 1
