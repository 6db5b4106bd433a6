-- Ends an attempt without an answer.
-- ARGV 2 id, 3 from, 4 due in us or '', 5 ruling or '', 6 why, 7 us until it ends or '', 8 strikes
local id, from, due_in, ruling, why, ends_in, strikes = unpack(ARGV, 2, 8)
if row.open_id ~= id or number('generation') ~= tonumber(from) then return reply('moved') end
if ruling ~= '' then judge(text(number('generation')), ruling, why, later(ends_in), strikes) end
if row.open_first == row.open_attempt then
  close()
elseif row.ruling == 'not_before' then
  row.open_until = text(math.max(number('until_at'), now))
else
  row.open_until = text(now)
end
row.due_at = later(due_in)
return done('done')
