-- Prolongs the lease if the token still owns it. Never creates one.
--
-- KEYS[1]  the lease, as in acquire.lua
-- ARGV     token, ttl in ms, not-after in µs of server time (0: none), ms the fence outlives the lease
-- returns  {"renewed" | "lost" | "late", server time in µs}

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ttl, not_after, kept = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

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
local fence, state, owner, ends = string.match(value, '^(%d+) (%l+) (%S+) ?(%d*)$')
if state ~= 'held' or owner ~= ARGV[1] or now >= tonumber(ends) then
  return reply('lost')
end
local lease = string.format('%s held %s %.0f', fence, owner, now + ttl * 1000)
redis.call('SET', KEYS[1], lease, 'PX', string.format('%.0f', ttl + kept))
return reply('renewed')
