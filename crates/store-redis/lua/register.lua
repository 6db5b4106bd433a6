-- Writes the registration unless there is one.
-- KEYS[1] the registration
-- ARGV    1 the registration
-- Returns what is there afterwards.
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('GET', KEYS[1])
