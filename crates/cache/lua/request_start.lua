-- Asks for the start of a refresh that nobody waits for.
-- ARGV    1 asker, 2 place, 3 interval, 4 places, 5 ttl of a place, 6 how long an asker is remembered, 7 ttl of the key
--         ms
-- Returns {0 granted | 1 too soon | 2 no place | 3 paused, wait, askers}
local places, askers, first, held = 0, 1, nil, false
for name, at in pairs(starts) do
  local kind = string.sub(name, 1, 2)
  if kind == 'p:' then
    if at <= now then
      redis.call('HDEL', KEYS[1], name)
    else
      places = places + 1
      first = math.min(first or at, at)
      held = held or name == 'p:' .. ARGV[2]
    end
  elseif kind == 'a:' then
    if now - at >= tonumber(ARGV[6]) then
      redis.call('HDEL', KEYS[1], name)
    elseif name ~= 'a:' .. ARGV[1] then
      askers = askers + 1
    end
  end
end
redis.call('HSET', KEYS[1], 'a:' .. ARGV[1], text(now))
redis.call('PEXPIRE', KEYS[1], ARGV[7])
if held then return {0, 0, askers} end
if (starts.paused or 0) > now then return {3, starts.paused - now, askers} end
if places >= tonumber(ARGV[4]) then return {2, (first or now) - now, askers} end
if (starts.next or 0) > now then return {1, starts.next - now, askers} end
local next = text(now + tonumber(ARGV[3]))
redis.call('HSET', KEYS[1], 'last', text(now), 'next', next, 'p:' .. ARGV[2], text(now + tonumber(ARGV[5])))
return {0, 0, askers}
