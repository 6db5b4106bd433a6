-- Writes the enrolment unless there is one.
-- KEYS[1] the enrolment
-- ARGV    1 the enrolment
-- Returns what is there afterwards.
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('GET', KEYS[1])
