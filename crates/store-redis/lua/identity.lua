-- Mints the store's identity once.
-- KEYS[1] the store's own hash
-- ARGV    1 the identity to take if there is none
-- Returns {identity, now us}
redis.call('HSETNX', KEYS[1], 'identity', ARGV[1])
local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000000 + tonumber(time[2]))
return {redis.call('HGET', KEYS[1], 'identity'), now}
