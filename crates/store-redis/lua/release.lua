-- Says of the account's entry at a token that its row does not know the token any more, unless it has entered again
-- since. A spent token moves to the archive. The entry of one that was only held stays, marked by a zero: a login that
-- follows the delete makes the row remember the token.
-- KEYS[1] the token's accounts by the microsecond at which each reserved it, 2 the archive
-- ARGV    1 the account, 2 us of the change that released it, 3 the token, 4 the day until which it is remembered, or ''
local is_spent = ARGV[4] ~= ''
if is_spent and not archived(KEYS[2], ARGV[3], tonumber(ARGV[4])) then
  archive(KEYS[2], ARGV[3], tonumber(ARGV[4]), day(tonumber(ARGV[2])))
end
local at = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not at or tonumber(at) > tonumber(ARGV[2]) then return 0 end
if is_spent then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], 0, ARGV[1])
end
return 1
