-- Replaces a value that was written once, if it is the one that was seen.
-- KEYS[1] the store's own hash
-- ARGV    1 name, 2 value seen, 3 value
local name = 'pin:' .. ARGV[1]
if redis.call('HGET', KEYS[1], name) == ARGV[2] then redis.call('HSET', KEYS[1], name, ARGV[3]) end
return redis.call('HGET', KEYS[1], name)
