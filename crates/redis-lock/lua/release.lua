-- Gives the lease back if the token still owns it, and wakes those who wait.
--
-- KEYS[1]  the lease, as in acquire.lua
-- ARGV     token, ms the tombstone lives, channel (empty: nobody to wake), message
-- returns  1 when the token owned the lease or had released it before, else 0

local value = redis.call('GET', KEYS[1])
if not value then
  return 0
end
local fence, state, owner, ends = string.match(value, '^(%d+) (%l+) (%S+) ?(%d*)$')
if owner ~= ARGV[1] then
  return 0
end
-- A release whose reply was lost is asked again; it has happened once already.
if state == 'free' then
  return 1
end
-- One that has ended is nobody's.
local time = redis.call('TIME')
if time[1] * 1000000 + time[2] >= tonumber(ends) then
  return 0
end
redis.call('SET', KEYS[1], fence .. ' free ' .. owner, 'PX', ARGV[2])
if ARGV[3] ~= '' then
  redis.call('PUBLISH', ARGV[3], ARGV[4])
end
return 1
