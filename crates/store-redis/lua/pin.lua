-- Writes a value once.
-- KEYS[1] the store's own hash
-- ARGV    1 name, 2 value
redis.call('HSETNX', KEYS[1], 'pin:' .. ARGV[1], ARGV[2])
return redis.call('HGET', KEYS[1], 'pin:' .. ARGV[1])
