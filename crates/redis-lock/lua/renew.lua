-- Prolongs the lease if the token still owns it. Never creates one.
--
-- KEYS[1]  the lease, as in acquire.lua
-- ARGV     token, ttl in ms, not-after in µs of server time (0: none), ms the fence outlives the lease
-- returns  "renewed | lost | late, seconds of the server's time, µs of it", one text as in acquire.lua

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local token, ttl, not_after = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local function reply(verdict)
  return verdict .. ' ' .. time[1] .. ' ' .. time[2]
end

if not_after > 0 and now > not_after then
  return reply('late')
end
local value = redis.call('GET', KEYS[1])
if not value then
  return reply('lost')
end
local ends = tonumber(string.sub(value, 60, 75))
if not ends or string.sub(value, 23, 58) ~= token or now >= ends then
  return reply('lost')
end
ends = now + ttl * 1000
local low = ends % 1000000
local lease = string.format('%s%010d%06d %d', string.sub(value, 1, 59), (ends - low) / 1000000, low, ttl)
redis.call('SET', KEYS[1], lease, 'PX', ttl + ARGV[4])
return reply('renewed')
