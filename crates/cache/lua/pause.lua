-- Grants nothing for a while.
-- KEYS[1] the provider's gate
-- ARGV    1 us, 2 ttl of the key ms
-- Returns 1 where that is longer than what was said before.
local time = redis.call('TIME')
local until_us = tonumber(time[1]) * 1000000 + tonumber(time[2]) + tonumber(ARGV[1])
if tonumber(redis.call('HGET', KEYS[1], 'paused') or 0) >= until_us then return 0 end
redis.call('HSET', KEYS[1], 'paused', string.format('%.0f', until_us))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
