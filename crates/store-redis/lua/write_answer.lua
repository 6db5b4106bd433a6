-- Writes an answer unless it is there, and keeps the two newest of each kind: one without a usable token never
-- pushes out one that has it.
-- KEYS[1] the account's answers: by attempt (20 digits) and claim
-- ARGV    1 attempt (20 digits), 2 claim, 3 kind (u usable, x not), 4 note, 5 payload, 6 ttl ms
local KEPT = 2
local name = ARGV[1] .. '-' .. ARGV[2]
if redis.call('HEXISTS', KEYS[1], name) == 0 then
  local time = redis.call('TIME')
  local now = string.format('%.0f', tonumber(time[1]) * 1000000 + tonumber(time[2]))
  local header = ARGV[3] .. ' ' .. now .. ' ' .. string.format('%d', #ARGV[4]) .. '\n'
  redis.call('HSET', KEYS[1], name, header .. ARGV[4] .. ARGV[5])
end

local flat = redis.call('HGETALL', KEYS[1])
local names = {u = {}, x = {}}
for at = 1, #flat, 2 do
  local kind = names[string.sub(flat[at + 1], 1, 1)]
  if kind then kind[#kind + 1] = flat[at] end
end
-- Twenty digits have the order of their numbers as texts; Lua's numbers skip integers beyond 2^53.
for _, kind in pairs(names) do
  table.sort(kind, function(a, b) return a > b end)
  for at = KEPT + 1, #kind do redis.call('HDEL', KEYS[1], kind[at]) end
end
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
