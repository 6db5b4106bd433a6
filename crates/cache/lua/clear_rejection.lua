-- Takes back the mark of exactly this generation.
-- KEYS[1] the account's `last`
-- ARGV    1 generation, 2 channel of the change feed, 3 the notification
-- Returns 1 when there was one.
local marked = redis.call('HGET', KEYS[1], 'rejected')
if marked ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'rejected', 'rejected_proof')
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
