-- Reserves a refresh token for an account.
-- KEYS[1] the token's accounts by the microsecond at which each reserved it, 2 the archive that has it once it is spent
-- ARGV    1 the account, 2 insist (0 or 1), 3 the token, 4 and more: accounts whose rows do not know it, if their entry
--         is still marked so
-- Returns {reserved (0 or 1), now us, the others and their microseconds}
local time = redis.call('TIME')
local function text(number) return string.format('%.0f', number) end
local now = text(tonumber(time[1]) * 1000000 + tonumber(time[2]))
local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local others, ignored = {}, {}
for at = 4, #ARGV do ignored[ARGV[at]] = true end
for at = 1, #all, 2 do
  local is_released = tonumber(all[at + 1]) == 0 and ignored[all[at]]
  if all[at] ~= ARGV[1] and not is_released then
    local entered = text(tonumber(all[at + 1]))
    -- A clock that stepped back behind it: its age counts from here.
    if tonumber(entered) > tonumber(now) then
      entered = now
      redis.call('ZADD', KEYS[1], entered, all[at])
    end
    others[#others + 1] = all[at]
    others[#others + 1] = entered
  end
end
local known = #others > 0 or ARGV[2] ~= '1' and archived(KEYS[2], ARGV[3], day(tonumber(now)))
if known and ARGV[2] ~= '1' then return {0, now, others} end
redis.call('ZADD', KEYS[1], now, ARGV[1])
return {1, now, others}
