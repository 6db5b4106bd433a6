-- Counts starts that were made without asking. Times are microseconds.
-- KEYS[1] the provider's gate
-- ARGV    1 how long they take by the rate, 2 how long who asks may be put off, 3 ttl of the key ms
-- Returns 1.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local gate = redis.call('HMGET', KEYS[1], 'last', 'next')
local last, next = tonumber(gate[1] or now), tonumber(gate[2] or 0)
local spent = math.min(math.max(next, now) + tonumber(ARGV[1]), last + tonumber(ARGV[2]))
next = math.max(next, spent)
redis.call('HSET', KEYS[1], 'last', string.format('%.0f', last), 'next', string.format('%.0f', next))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
