-- Puts a publication into the shared cache.
-- ARGV    1 generation, 2 gone (0 or 1), 3 the token's generation or '', 4 payload, 5 valid us, 6 good us,
--         7 decision or '', 8 why, 9 us until it ends, 10 strikes, 11 ttl ms, 12 replaces (0 or 1),
--         13 us since 1970 from which the spans count or '', 14 channel of the change feed,
--         15 the notification, 16 proof or ''
-- Returns 1, or 0 when something newer is there.
-- Generations are compared as decimal texts, because Lua's numbers skip integers beyond 2^53. Times stay below that.
local function newer(a, b)
  if #a ~= #b then return #a > #b end
  return a > b
end
-- A publication that comes late makes nothing last longer.
local from = math.min(now, tonumber(ARGV[13]) or now)
local generation, gone, token_by = ARGV[1], ARGV[2], ARGV[3]
follow()
local there = redis.call('HMGET', KEYS[1], 'generation', 'rejected', 'token_by')

-- A server short of memory may have dropped what decides and kept what repeats it.
if not there[1] then
  local tok = redis.call('MGET', KEYS[2])[1]
  there[1] = tok and string.match(tok, '^3 (%d+) ')
end
if there[1] and newer(there[1], generation) then return 0 end

redis.call('HSET', KEYS[1], 'generation', generation, 'gone', gone, 'put', text(now), 'proof', ARGV[16])

-- A generation without a token of its own leaves the last one, which may be valid for a while. A deleted account has
-- none, and a login none but its own. A mark goes with the token it is about.
local dropped = gone == '1' or ARGV[12] == '1' and there[3] and newer(generation, there[3])
if token_by ~= '' then
  redis.call('HSET', KEYS[1], 'token_by', token_by, 'token', ARGV[4],
    'valid_end', text(from + tonumber(ARGV[5])), 'good_end', text(from + tonumber(ARGV[6])))
  if there[2] and newer(token_by, there[2]) then redis.call('HDEL', KEYS[1], 'rejected', 'rejected_proof') end
elseif dropped then
  redis.call('HDEL', KEYS[1], 'token_by', 'token', 'valid_end', 'good_end')
  if there[2] and newer(generation, there[2]) then redis.call('HDEL', KEYS[1], 'rejected', 'rejected_proof') end
end

if ARGV[7] ~= '' then
  redis.call('HSET', KEYS[1], 'ruling', ARGV[7], 'why', ARGV[8],
    'until', text(from + tonumber(ARGV[9])), 'strikes', ARGV[10])
else
  redis.call('HDEL', KEYS[1], 'ruling', 'why', 'until', 'strikes')
end

if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[11]) then redis.call('PEXPIRE', KEYS[1], ARGV[11]) end

repeat_token()
-- Whoever is woken finds it.
redis.call('PUBLISH', ARGV[14], ARGV[15])
return 1
