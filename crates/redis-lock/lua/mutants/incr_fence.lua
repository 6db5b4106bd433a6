-- acquire.lua with a known bug put back: the fence is a plain counter, which FLUSHALL and expiry send back.
--
-- KEYS[1]  the lease: "<fence> held <token>" while held, "<fence> free <token>" after a release
-- ARGV     token, ttl in ms, floor of the fence, not-after in µs of server time (0: none)
-- returns  {"granted" | "busy" | "late", fence, ms left, server time in µs}

-- TIME can differ between two calls in one script, hence it is asked once.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local token, ttl = ARGV[1], tonumber(ARGV[2])
local floor, not_after = tonumber(ARGV[3]), tonumber(ARGV[4])

-- Numbers here are doubles: exact up to 2^53, but only '%.0f' prints them whole.
local function reply(verdict, fence, left)
  return {verdict, string.format('%.0f', fence), left, string.format('%.0f', now)}
end

-- A request that reaches us after its sender gave up leaves nothing behind.
if not_after > 0 and now > not_after then
  return reply('late', 0, 0)
end

local fence = 0
local value = redis.call('GET', KEYS[1])
if value then
  local last, state, owner = string.match(value, '^(%d+) (%l+) (.*)$')
  if not last then
    return redis.error_reply('NOTALEASE the key holds something that is not a lease')
  end
  fence = tonumber(last)
  if state == 'held' then
    local left = redis.call('PTTL', KEYS[1])
    return reply(owner == token and 'granted' or 'busy', fence, left)
  end
  -- This request was overtaken by the release of its own token.
  if owner == token then
    return reply('late', 0, 0)
  end
end

fence = fence + 1
if fence > 9007199254740991 then
  return redis.error_reply('FENCESPENT no larger fence can be written exactly')
end
redis.call('SET', KEYS[1], string.format('%.0f held %s', fence, token), 'PX', ttl)
return reply('granted', fence, ttl)
