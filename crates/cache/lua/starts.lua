-- What the scripts about a provider's starts share; each of them is this text followed by its own. Times are microseconds.
-- KEYS[1] the provider's starts: last, next, paused, seen; `p:` places and their ends; `a:` askers and when they asked
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local function text(number) return string.format('%.0f', number) end

local starts = {}
local fields = redis.call('HGETALL', KEYS[1])
for at = 1, #fields, 2 do starts[fields[at]] = tonumber(fields[at + 1]) end

-- A clock that has stepped back behind the last change: what was to last for a time from there lasts as long from now.
local ahead = (starts.seen or now) - now
if ahead > 0 then
  for name, at in pairs(starts) do
    starts[name] = math.max(at - ahead, 0)
    redis.call('HSET', KEYS[1], name, text(starts[name]))
  end
end
redis.call('HSET', KEYS[1], 'seen', text(now))
