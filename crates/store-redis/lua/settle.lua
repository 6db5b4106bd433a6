-- Ends an attempt without an answer.
-- ARGV 2 id, 3 from, 4 due in us or '', 5 decision or '', 6 why, 7 us until it ends or '', 8 strikes
local id, from, due_in, decision, why, ends_in, strikes = unpack(ARGV, 2, 8)
if row.open_id ~= id or number('generation') ~= tonumber(from) then return reply('moved') end
if decision ~= '' then set_verdict(text(number('generation')), decision, why, later(ends_in), strikes) end
-- One whose answer was not understood stays open: a claim that saw none before it is to find it.
local unread = row.ruling == 'log_in' and row.why == 'answer_unread'
  and number('verdict_of') == number('generation')
if row.open_first == row.open_attempt and not unread then
  close()
elseif row.ruling == 'not_before' then
  row.open_until = text(math.max(number('until_at'), now))
else
  row.open_until = text(now)
end
row.due_at = later(due_in)
return changed('done')
