-- Asks for the start of a refresh that nobody waits for. Times are microseconds.
-- KEYS[1] the provider's gate: last, next, paused; `p:` places and their ends; `a:` askers and when they asked
-- ARGV    1 asker, 2 place, 3 interval, 4 places, 5 ttl of a place, 6 how long an asker is remembered, 7 ttl of the key ms
-- Returns {0 granted | 1 too soon | 2 no place | 3 paused, wait, askers}
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local function text(number) return string.format('%.0f', number) end
local gate, old = {}, {}
local places, askers, first, held = 0, 1, nil, false
local fields = redis.call('HGETALL', KEYS[1])
for at = 1, #fields, 2 do
  local field, value = fields[at], tonumber(fields[at + 1])
  local kind = string.sub(field, 1, 2)
  if kind == 'p:' then
    if value <= now then
      old[#old + 1] = field
    else
      places = places + 1
      first = math.min(first or value, value)
      held = held or field == 'p:' .. ARGV[2]
    end
  elseif kind == 'a:' then
    if now - value >= tonumber(ARGV[6]) then
      old[#old + 1] = field
    elseif field ~= 'a:' .. ARGV[1] then
      askers = askers + 1
    end
  else
    gate[field] = value
  end
end
for _, field in ipairs(old) do redis.call('HDEL', KEYS[1], field) end
redis.call('HSET', KEYS[1], 'a:' .. ARGV[1], text(now))
redis.call('PEXPIRE', KEYS[1], ARGV[7])
if held then return {0, 0, askers} end
if (gate.paused or 0) > now then return {3, gate.paused - now, askers} end
if places >= tonumber(ARGV[4]) then return {2, (first or now) - now, askers} end
if (gate.next or 0) > now then return {1, gate.next - now, askers} end
local next = text(now + tonumber(ARGV[3]))
redis.call('HSET', KEYS[1], 'last', text(now), 'next', next, 'p:' .. ARGV[2], text(now + tonumber(ARGV[5])))
return {0, 0, askers}
