-- Prolongs the lease if the token still owns it. Never creates one.
--
-- KEYS[1]  the lease, as in acquire.lua
-- ARGV     token, ttl in ms, not-after in µs of server time (0: none)
-- returns  {"renewed" | "lost" | "late", server time in µs}

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local not_after = tonumber(ARGV[3])

local function reply(verdict)
  return {verdict, string.format('%.0f', now)}
end

if not_after > 0 and now > not_after then
  return reply('late')
end
local value = redis.call('GET', KEYS[1])
if not value then
  return reply('lost')
end
local _, state, owner = string.match(value, '^(%d+) (%l+) (.*)$')
if state ~= 'held' or owner ~= ARGV[1] then
  return reply('lost')
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return reply('renewed')
