-- Pushes the row's time forward if it has come: of all who ask, one is answered 'taken'.
-- KEYS[1] the row
-- ARGV    1 hold us
-- Returns {taken (0 or 1), due us or '', name}; nothing of a row that is not there or not readable.
local FORMAT = 1
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local row = redis.call('HMGET', KEYS[1], 'format', 'due_at', 'name')
if not row[1] or tonumber(row[1]) > FORMAT then return {0, '', ''} end
if not row[2] or tonumber(row[2]) > now then return {0, row[2] or '', row[3]} end
local due = string.format('%.0f', now + tonumber(ARGV[1]))
redis.call('HSET', KEYS[1], 'due_at', due)
return {1, due, row[3]}
