-- Puts the same credential back under another seal.
-- ARGV 2 the change that made the row, 3 payload
if not row.access or row.made_by ~= ARGV[2] then return reply('moved') end
row.payload = ARGV[3]
return done('done')
