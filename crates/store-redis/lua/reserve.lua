-- Reserves a refresh token for an account.
-- KEYS[1] the token's accounts by the microsecond at which each reserved it
-- ARGV    1 the account, 2 insist (0 or 1)
-- Returns {reserved (0 or 1), now us, the others and their microseconds}
local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000000 + tonumber(time[2]))
local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local others = {}
for at = 1, #all, 2 do
  if all[at] ~= ARGV[1] then
    others[#others + 1] = all[at]
    others[#others + 1] = string.format('%.0f', tonumber(all[at + 1]))
  end
end
if #others > 0 and ARGV[2] ~= '1' then return {0, now, others} end
redis.call('ZADD', KEYS[1], now, ARGV[1])
return {1, now, others}
