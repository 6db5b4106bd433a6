-- Opens an attempt.
-- ARGV 2 id, 3 from, 4 seen or '', 5 fence or '', 6 span us, 7 not after us, 8 cause, 9 presented token
local id, from, seen, fence, span, not_after, cause, presents = unpack(ARGV, 2, 9)
if row.open_id == id then return reply('done') end
if now > tonumber(not_after) then return reply('late') end
local as_seen = (row.open_id or '') == seen
-- A claim that was on its way when that verdict was written has not seen it.
local unread = row.ruling == 'log_in' and row.why == 'answer_unread'
  and number('verdict_of') == number('generation') and cause ~= 'operator'
if number('generation') ~= tonumber(from) or not row.access or not as_seen or in_flight() or unread then
  return reply('moved')
end
local attempt = mint(option(fence))
if not row.open_id then row.open_first, row.open_first_at = attempt, text(now) end
row.open_id, row.open_attempt, row.open_until, row.open_cause = id, attempt, later(span), cause
row.minted = attempt
row.due_at = row.open_until
remember(presents)
return changed('done')
