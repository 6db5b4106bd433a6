-- Puts a publication on the shelf.
-- KEYS    1 the account's `last`, 2 its `tok`
-- ARGV    1 generation, 2 gone (0 or 1), 3 the token's generation or '', 4 payload, 5 valid us, 6 good us,
--         7 ruling or '', 8 why, 9 us until it ends, 10 strikes, 11 ttl ms, 12 replaces (0 or 1),
--         13 us since 1970 from which the spans count or '', 14 channel of the news, 15 the news
-- Returns 1, or 0 when something newer is there.
-- Generations are compared as decimal texts, because Lua's numbers skip integers beyond 2^53. Times stay below that.
local function newer(a, b)
  if #a ~= #b then return #a > #b end
  return a > b
end
local function text(number) return string.format('%.0f', number) end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
-- A publication that comes late makes nothing last longer.
local from = math.min(now, tonumber(ARGV[13]) or now)
local generation, gone, token_by = ARGV[1], ARGV[2], ARGV[3]
local there = redis.call('HMGET', KEYS[1], 'generation', 'rejected', 'token_by')

-- A server short of memory may have dropped what decides and kept what repeats it.
if not there[1] then
  local tok = redis.call('MGET', KEYS[2])[1]
  there[1] = tok and string.match(tok, '^2 (%d+) ')
end
if there[1] and newer(there[1], generation) then return 0 end

redis.call('HSET', KEYS[1], 'generation', generation, 'gone', gone, 'put', text(now))

-- A generation without a token of its own leaves the last one, which may be valid for a while. A deleted account has
-- none, and a login none but its own. A mark goes with the token it is about.
local dropped = gone == '1' or ARGV[12] == '1' and there[3] and newer(generation, there[3])
if token_by ~= '' then
  redis.call('HSET', KEYS[1], 'token_by', token_by, 'token', ARGV[4],
    'valid_end', text(from + tonumber(ARGV[5])), 'good_end', text(from + tonumber(ARGV[6])))
  if there[2] and newer(token_by, there[2]) then redis.call('HDEL', KEYS[1], 'rejected') end
elseif dropped then
  redis.call('HDEL', KEYS[1], 'token_by', 'token', 'valid_end', 'good_end')
  if there[2] and newer(generation, there[2]) then redis.call('HDEL', KEYS[1], 'rejected') end
end

if ARGV[7] ~= '' then
  redis.call('HSET', KEYS[1], 'ruling', ARGV[7], 'why', ARGV[8],
    'until', text(from + tonumber(ARGV[9])), 'strikes', ARGV[10])
else
  redis.call('HDEL', KEYS[1], 'ruling', 'why', 'until', 'strikes')
end

if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[11]) then redis.call('PEXPIRE', KEYS[1], ARGV[11]) end

-- Readers of a good token look at `tok` alone: it is there only where `last` has one that nobody has marked, and in the
-- same instant.
local is = redis.call('HMGET', KEYS[1], 'token', 'rejected', 'token_by', 'good_end', 'valid_end',
  'ruling', 'why', 'until', 'strikes')
-- Keys end by the millisecond; a fraction is cut off rather than served.
local good_ms = math.floor((tonumber(is[4] or '0') or 0) / 1000)
if is[1] and not is[2] and good_ms * 1000 > now then
  local line = {'2', generation, is[3], is[4], is[5], is[6] or '-', is[7] or '-', is[8] or '-', is[9] or '-'}
  redis.call('SET', KEYS[2], table.concat(line, ' ') .. '\n' .. is[1], 'PXAT', text(good_ms))
else
  redis.call('DEL', KEYS[2])
end
-- Whoever is woken finds it.
redis.call('PUBLISH', ARGV[14], ARGV[15])
return 1
