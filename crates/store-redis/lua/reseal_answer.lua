-- Puts the same answer back under another seal, where it is kept. Its kind, its time and the key's end stay.
-- KEYS[1] the account's answers: by attempt (20 digits) and claim
-- ARGV    1 attempt (20 digits), 2 claim, 3 payload
local name = ARGV[1] .. '-' .. ARGV[2]
local value = redis.call('HGET', KEYS[1], name)
if not value then return 0 end
local head = string.find(value, '\n', 1, true)
local note = tonumber(string.match(string.sub(value, 1, head - 1), '%d+$'))
redis.call('HSET', KEYS[1], name, string.sub(value, 1, head + note) .. ARGV[3])
return 1
