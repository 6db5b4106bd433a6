-- Shows the row. A replica may lack it; this changes nothing, and a replica refuses it.
local probed = redis.pcall('PERSIST', KEYS[1])
if type(probed) == 'table' and probed.err and string.find(probed.err, 'READONLY', 1, true) then
  return redis.error_reply('READONLY a replica may lack the row')
end
return reply('done')
