-- Grants nothing for a while.
-- ARGV    1 us, 2 ttl of the key ms
-- Returns 1 where that is longer than the pause so far.
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local until_us = now + tonumber(ARGV[1])
if (starts.paused or 0) >= until_us then return 0 end
redis.call('HSET', KEYS[1], 'paused', text(until_us))
return 1
