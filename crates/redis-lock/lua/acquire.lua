-- Takes leases, each unless somebody else holds it.
--
-- KEYS     the leases: "<fence> held <token> <end in µs of server time>", "<fence> free <token>" after a release; numbers have
--          16 digits and tokens 36 characters, because cutting at fixed places is several times as fast as matching
-- ARGV     ms a fence outlives its lease, then for each lease: token, ttl in ms, floor of the fence, not-after in µs of server
--          time (0: none)
-- returns  a line for each: "granted | busy | late, fence, ms left, seconds of the server's time, µs of it", or
--          "refused, code, why"; one text, because a table costs as much as taking a lease

-- Looked up once: this runs for every lease of a crowd.
local call, sub, format = redis.call, string.sub, string.format
-- TIME can differ between two calls in one script, hence it is asked once.
local time = call('TIME')
-- Numbers here are doubles: exact up to 2^53.
local now = time[1] * 1000000 + time[2]
local clock = ' ' .. time[1] .. ' ' .. time[2]
local kept = ARGV[1]

-- What is under the keys; kept up to date, for one may be named twice.
local values = call('MGET', unpack(KEYS))
local written = {}

local function reply(verdict, fence, left)
  return verdict .. ' ' .. fence .. ' ' .. left .. clock
end

local function acquire(key, value, token, ttl, floor, not_after)
  -- A request that reaches us after its sender gave up leaves nothing behind.
  if not_after > 0 and now > not_after then
    return reply('late', 0, 0)
  end
  local fence = 0
  if value then
    local state, owner, ends = sub(value, 17, 22), sub(value, 23, 58), tonumber(sub(value, 60))
    fence = tonumber(sub(value, 1, 16))
    if not fence or not (state == ' held ' and ends or state == ' free ' and #value == 58) then
      return 'refused NOTALEASE the key holds something that is not a lease'
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
  fence = math.max(fence + 1, now, floor + 1)
  if fence > 9007199254740991 then
    return 'refused FENCESPENT no larger fence can be written exactly'
  end
  -- Only small numbers are printed exactly by a format that is fast.
  local ends = now + ttl * 1000
  local fence_low, ends_low = fence % 1000000, ends % 1000000
  local lease = format('%010d%06d held %s %010d%06d',
    (fence - fence_low) / 1000000, fence_low, token, (ends - ends_low) / 1000000, ends_low)
  -- The key outlives the lease: a clock that steps back, or a floor that was ahead of it, must not send the fence back.
  if value then
    call('SET', key, lease, 'PX', ttl + kept)
  elseif not call('SET', key, lease, 'NX', 'PX', ttl + kept) then
    -- MGET shows nothing of a list or a hash.
    return 'refused NOTALEASE the key holds something that is not a lease'
  end
  written[key] = lease
  return reply('granted', sub(lease, 1, 16), ttl)
end

local replies = {}
for i, key in ipairs(KEYS) do
  local at = i * 4 - 2
  replies[i] = acquire(key, written[key] or values[i], ARGV[at], ARGV[at + 1] + 0, ARGV[at + 2], ARGV[at + 3] + 0)
end
return table.concat(replies, '\n')
