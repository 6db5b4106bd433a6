-- An archive of spent tokens, a string: the first eight bytes of each fingerprint and the last day (counted from 1970)
-- on which it is remembered, in the order of their coming. Read by logins alone.
local ENTRY = 10
-- Entries that leave together, once the time of all of them is over.
local LEAVING = 64

local function bytes(token)
  return (string.gsub(string.sub(token, 1, 16), '..', function(digits) return string.char(tonumber(digits, 16)) end))
end

local function until_day(entries, at) return string.byte(entries, at + 8) * 256 + string.byte(entries, at + 9) end

local function day(us) return math.min(math.floor(us / 86400000000), 65535) end

local function archived(key, token, today)
  local entries, short = redis.call('GET', key) or '', bytes(token)
  local at = string.find(entries, short, 1, true)
  while at do
    if at % ENTRY == 1 and until_day(entries, at) >= today then return true end
    at = string.find(entries, short, at + 1, true)
  end
  return false
end

local function archive(key, token, last, today)
  redis.call('APPEND', key, bytes(token) .. string.char(math.floor(last / 256), last % 256))
  local oldest = redis.call('GETRANGE', key, 0, LEAVING * ENTRY - 1)
  if #oldest < LEAVING * ENTRY then return end
  for at = 1, #oldest, ENTRY do
    if until_day(oldest, at) >= today then return end
  end
  redis.call('SET', key, redis.call('GETRANGE', key, #oldest, -1))
end
