-- Counts starts that were made without a request.
-- ARGV    1 how long they take by the rate, 2 the longest time that a request may be put off, 3 ttl of the key ms
-- Returns 1.
local last, next = starts.last or now, starts.next or 0
local taken = math.min(math.max(next, now) + tonumber(ARGV[1]), last + tonumber(ARGV[2]))
next = math.max(next, taken)
redis.call('HSET', KEYS[1], 'last', text(last), 'next', text(next))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
