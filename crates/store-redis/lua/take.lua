-- Takes whose time has come out of the index by pushing them forward.
-- KEYS[1] the index: account keys by microseconds
-- ARGV    1 hold us, 2 limit
-- Returns {score now, account keys, earliest first}
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local text = string.format('%.0f', now)
local pushed = string.format('%.0f', now + tonumber(ARGV[1]))
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text, 'LIMIT', 0, tonumber(ARGV[2]))
for _, account in ipairs(due) do redis.call('ZADD', KEYS[1], pushed, account) end
return {pushed, due}
