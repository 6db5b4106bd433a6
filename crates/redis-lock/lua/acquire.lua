-- Takes leases, each unless somebody else holds it.
--
-- KEYS     the leases: "<fence> held <token> <end in µs of server time> <ttl in ms>", "<fence> free <token>" after a
--          release; fence and end have 16 digits and tokens 36 characters, because cutting at fixed places is several
--          times as fast as matching
-- ARGV     ms a fence outlives its lease, then for each lease: token, ttl in ms, floor of the fence, not-after in µs
--          of server time (0: none)
-- returns  a line for each: "granted | busy | late, fence, ms left, seconds of the server's time, µs of it", or
--          "refused, code, why"; one text, because a table costs as much as taking a lease

-- Read once: this runs for every lease of a crowd.
local call, sub, format, max = redis.call, string.sub, string.format, math.max
-- TIME can differ between two calls in one script, hence it is asked once.
local time = call('TIME')
-- Numbers here are doubles: exact up to 2^53.
local now = time[1] * 1000000 + time[2]
local clock = ' ' .. time[1] .. ' ' .. time[2]
local kept = ARGV[1]

-- Only small numbers are printed exactly by a format that is fast.
local function digits(number)
  local low = number % 1000000
  return format('%010d%06d', (number - low) / 1000000, low)
end

local function reply(verdict, fence, left)
  return verdict .. ' ' .. fence .. ' ' .. left .. clock
end

-- What most of a crowd share is written once.
local now_digits = digits(now)
local ttl_before, ends_digits, lives, granted
local function prepare(ttl)
  ttl_before = ttl
  ends_digits = ' ' .. digits(now + ttl * 1000) .. ' ' .. format('%d', ttl)
  -- The key outlives the lease: a clock that steps back, or a floor that was ahead of it, must not send the fence back.
  lives = format('%d', ttl + kept)
  granted = reply('granted', now_digits, ttl)
end

-- What is under the keys; kept up to date, for one may be named twice.
local values = call('MGET', unpack(KEYS))
local written = {}

local function acquire(key, value, token, ttl, floor, not_after)
  -- A request that reaches us after its sender gave up leaves nothing behind.
  if not_after > 0 and now > not_after then
    return reply('late', 0, 0)
  end
  local last = 0
  if value then
    local state, owner, ends, lasts = sub(value, 17, 22), sub(value, 23, 58), nil, nil
    last = tonumber(sub(value, 1, 16))
    if state == ' held ' then
      ends, lasts = tonumber(sub(value, 60, 75)), tonumber(sub(value, 77))
    end
    if not last or not (ends and lasts or state == ' free ' and #value == 58) then
      return 'refused NOTALEASE the key holds something that is not a lease'
    end
    -- The clock has stepped back: nobody's lease lasts longer for it than it was granted for.
    if ends and ends > now + lasts * 1000 then
      ends = now + lasts * 1000
      local lease = sub(value, 1, 59) .. digits(ends) .. sub(value, 76)
      call('SET', key, lease, 'PX', format('%d', lasts + kept))
      written[key] = lease
    end
    if ends and now < ends then
      local left = math.floor((ends - now) / 1000)
      return reply(owner == token and 'granted' or 'busy', sub(value, 1, 16), left)
    end
    -- This request was overtaken by the release of its own token.
    if state == ' free ' and owner == token then
      return reply('late', 0, 0)
    end
  end
  -- The server's clock survives what a counter does not: loss of the key, FLUSHALL, a failover that lost writes.
  -- The counter covers a clock that steps back, and the floor covers both at once.
  local fence = max(last + 1, now, floor + 1)
  if fence > 9007199254740991 then
    return 'refused FENCESPENT no larger fence can be written exactly'
  end
  if ttl ~= ttl_before then
    prepare(ttl)
  end
  local fence_digits = fence == now and now_digits or digits(fence)
  local lease = fence_digits .. ' held ' .. token .. ends_digits
  if value then
    call('SET', key, lease, 'PX', lives)
  elseif not call('SET', key, lease, 'NX', 'PX', lives) then
    -- MGET shows nothing of a list or a hash.
    return 'refused NOTALEASE the key holds something that is not a lease'
  end
  written[key] = lease
  return fence == now and granted or reply('granted', fence_digits, ttl)
end

local replies = {}
for i, key in ipairs(KEYS) do
  local at = i * 4 - 2
  replies[i] = acquire(key, written[key] or values[i], ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3] + 0)
end
return table.concat(replies, '\n')
