-- Takes whose time has come out of the index by pushing them forward. Entries ahead of their rows do no harm; those
-- that a clock's step back left behind their rows are read, once each and the earliest first.
-- KEYS    1 the index: account keys by microseconds, 2 its clock: seen, when it was asked last; step, up to which time
--         entries were read since the clock stepped back
-- ARGV    1 hold us, 2 limit
-- Returns {score now, account keys, earliest first}
-- Noting the time more often would only make the server write more; a clock that is behind by less is no step.
local SECOND = 1000000
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local limit = tonumber(ARGV[2])
local function text(number) return string.format('%.0f', number) end
local pushed = text(now + tonumber(ARGV[1]))

local clock = redis.call('HMGET', KEYS[2], 'seen', 'step')
local seen, step = tonumber(clock[1]), tonumber(clock[2])
local stepped = seen and seen - now >= SECOND
if stepped then step = now end
if not seen or stepped or now - seen >= SECOND then redis.call('HSET', KEYS[2], 'seen', text(now)) end

local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text(now), 'LIMIT', 0, limit)
if step and #due < limit then
  local later = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. text(step), '+inf', 'WITHSCORES',
    'LIMIT', 0, limit - #due)
  for at = 1, #later, 2 do
    due[#due + 1] = later[at]
    step = tonumber(later[at + 1])
  end
  if #later == 0 then step = nil end
end
if step then
  redis.call('HSET', KEYS[2], 'step', text(step))
else
  redis.call('HDEL', KEYS[2], 'step')
end

for _, account in ipairs(due) do redis.call('ZADD', KEYS[1], pushed, account) end
return {pushed, due}
