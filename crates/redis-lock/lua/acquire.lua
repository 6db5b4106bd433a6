-- Takes the lease unless somebody else holds it.
--
-- KEYS[1]  the lease: "<fence> held <token> <end in µs of server time>", "<fence> free <token>" after a release
-- ARGV     token, ttl in ms, floor of the fence, not-after in µs of server time (0: none), ms the fence outlives the lease
-- returns  {"granted" | "busy" | "late", fence, ms left, server time in µs}

-- TIME can differ between two calls in one script, hence it is asked once.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local token, ttl = ARGV[1], tonumber(ARGV[2])
local floor, not_after, kept = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])

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
  local last, state, owner, ends = string.match(value, '^(%d+) (%l+) (%S+) ?(%d*)$')
  if not last or state == 'held' and ends == '' then
    return redis.error_reply('NOTALEASE the key holds something that is not a lease')
  end
  fence = tonumber(last)
  if state == 'held' and now < tonumber(ends) then
    local left = math.floor((tonumber(ends) - now) / 1000)
    return reply(owner == token and 'granted' or 'busy', fence, left)
  end
  -- This request was overtaken by the release of its own token.
  if state == 'free' and owner == token then
    return reply('late', 0, 0)
  end
end

-- The server's clock survives what a counter does not: loss of the key, FLUSHALL, a failover that lost writes.
-- The counter covers a clock that steps back, and the floor covers both at once.
fence = math.max(fence + 1, now, floor + 1)
if fence > 9007199254740991 then
  return redis.error_reply('FENCESPENT no larger fence can be written exactly')
end
-- The key outlives the lease: a clock that steps back, or a floor that was ahead of it, must not send the fence back.
local lease = string.format('%.0f held %s %.0f', fence, token, now + ttl * 1000)
redis.call('SET', KEYS[1], lease, 'PX', string.format('%.0f', ttl + kept))
return reply('granted', fence, ttl)
