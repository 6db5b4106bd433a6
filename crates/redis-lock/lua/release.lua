-- Gives leases back, each if its token still owns it, and wakes those who wait.
--
-- KEYS     the leases, as in acquire.lua
-- ARGV     ms a tombstone lives, channel (empty: nobody to wake), then a token for each lease
-- returns  a line for each: 1 when the token owned the lease or had released it before, else 0

local call, sub = redis.call, string.sub
local tombstone, channel = ARGV[1], ARGV[2]
local values = call('MGET', unpack(KEYS))
local time = call('TIME')
local now = time[1] * 1000000 + time[2]

local function release(key, value, token)
  if not value then
    return '0'
  end
  if sub(value, 23, 58) ~= token then
    return '0'
  end
  -- A release whose reply was lost is sent again; it has happened once already.
  if sub(value, 17, 22) == ' free ' then
    return '1'
  end
  -- One that has ended is nobody's.
  if now >= tonumber(sub(value, 60, 75)) then
    return '0'
  end
  call('SET', key, sub(value, 1, 16) .. ' free ' .. token, 'PX', tombstone)
  if channel ~= '' then
    -- A holder that may not publish has given the lease back all the same; waiters poll by themselves.
    redis.pcall('PUBLISH', channel, key)
  end
  return '1'
end

local replies = {}
for i, key in ipairs(KEYS) do
  replies[i] = release(key, values[i], ARGV[i + 2])
end
return table.concat(replies, '\n')
