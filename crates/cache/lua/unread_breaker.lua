-- The breaker of an endpoint whose answers were not understood.
-- KEYS[1] the breaker: until us, strikes; absent while it is open
-- ARGV    1 verb (admit, close, open, retry), 2 hold us (admit) or strikes (close, open), 3 ttl of the key ms,
--         4... the pauses us
-- Returns 0 and the strikes where a presentation may go out, 1 and the us to wait where it may not.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local verb, value = ARGV[1], tonumber(ARGV[2])
local found = redis.call('HMGET', KEYS[1], 'until', 'strikes')
local until_us, strikes = tonumber(found[1]), tonumber(found[2] or 0)
-- A clock that was set back makes no pause longer than the longest one.
if until_us then until_us = math.min(until_us, now + tonumber(ARGV[#ARGV])) end

local function keep()
  redis.call('HSET', KEYS[1], 'until', string.format('%.0f', until_us), 'strikes', strikes)
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end

local function state()
  local left = (until_us or now) - now
  if left > 0 then return {1, left} end
  return {0, strikes}
end

if verb == 'admit' then
  local admission = state()
  if admission[1] == 0 and until_us then
    until_us = now + value
    keep()
  end
  return admission
end
if verb == 'close' then
  local pause = tonumber(ARGV[math.min(value + 4, #ARGV)])
  strikes = math.max(strikes, math.min(value + 1, 255))
  until_us = math.max(until_us or now, now + pause)
  keep()
elseif verb == 'open' and until_us and strikes <= value then
  redis.call('DEL', KEYS[1])
  until_us, strikes = nil, 0
elseif verb == 'retry' and until_us then
  until_us = math.min(until_us, now)
  keep()
end
return state()
