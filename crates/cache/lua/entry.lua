-- What the scripts that keep an account's `last` and `tok` in step share; each of them is this text followed by its own.
-- KEYS 1 the account's `last`, 2 its `tok`
local function text(number) return string.format('%.0f', number) end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

-- A clock that has stepped back behind the last publication: what was to last for a time from there lasts as long from
-- now.
local function follow()
  local names = {'put', 'valid_end', 'good_end', 'until'}
  local at = redis.call('HMGET', KEYS[1], unpack(names))
  local ahead = (tonumber(at[1] or '') or now) - now
  if ahead <= 0 then return end
  for i, name in ipairs(names) do
    local instant = tonumber(at[i] or '')
    if instant then redis.call('HSET', KEYS[1], name, text(math.max(instant - ahead, 0))) end
  end
end

-- Readers of a good token read `tok` alone: it is there only where `last` has one that nobody has marked, and in the
-- same instant.
local function repeat_token()
  local is = redis.call('HMGET', KEYS[1], 'token', 'rejected', 'token_by', 'good_end', 'valid_end',
    'ruling', 'why', 'until', 'strikes', 'generation', 'put', 'proof')
  -- Keys end by the millisecond; a fraction is cut off rather than served.
  local good_ms = math.floor((tonumber(is[4] or '0') or 0) / 1000)
  if is[1] and not is[2] and good_ms * 1000 > now then
    local proof = is[12] and is[12] ~= '' and is[12] or '-'
    local line = {'3', is[10], is[3], is[4], is[5], is[6] or '-', is[7] or '-', is[8] or '-', is[9] or '-', is[11], proof}
    redis.call('SET', KEYS[2], table.concat(line, ' ') .. '\n' .. is[1], 'PXAT', text(good_ms))
  else
    redis.call('DEL', KEYS[2])
  end
end
