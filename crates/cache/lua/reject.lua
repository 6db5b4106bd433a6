-- Marks the token of a generation as rejected, unless a newer generation is there. An account that is not in the shared
-- cache gets no entry by a rejection.
-- KEYS    1 the account's `last`, 2 its `tok`
-- ARGV    1 generation, 2 ttl ms, 3 channel of the change feed, 4 the notification, 5 proof or ''
-- Returns 1 when the mark is new.
local function newer(a, b)
  if #a ~= #b then return #a > #b end
  return a > b
end

local there = redis.call('HMGET', KEYS[1], 'generation', 'rejected')
if not there[1] then
  -- A server short of memory may have dropped the one and kept the other.
  redis.call('DEL', KEYS[2])
  return 0
end
if newer(there[1], ARGV[1]) then return 0 end
if there[2] and not newer(ARGV[1], there[2]) then return 0 end
redis.call('HSET', KEYS[1], 'rejected', ARGV[1], 'rejected_proof', ARGV[5])
-- Readers of `tok` read nothing else.
redis.call('DEL', KEYS[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
