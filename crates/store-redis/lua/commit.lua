-- Puts an answer into the row, creating it where it was forgotten.
-- ARGV 2 attempt, 3 claim, 4 made from, 5 seen or '', 6 evidence us or '', 7 due in us or '',
--      8 content (rotated, logged_in, deleted, unread), 9 access, 10 refresh or '', 11 expires in us or '',
--      12 refresh expires in us or '', 13 payload, 14 as of us or '', 15 the attempt that may be forgotten or '',
--      16 its span us
local attempt, claim, from, seen, evidence, due_in, content = unpack(ARGV, 2, 8)
if number('generation') == tonumber(attempt) and (row.made_by or '') == claim then return reply('done') end
local fits = tonumber(from) == number('generation') or (row.open_id or '') == seen
if tonumber(attempt) <= number('generation') or not fits then return reply('moved') end

local other_until = row.open_id ~= claim and in_flight() and row.open_until or nil
local forgotten = ARGV[15] ~= '' and (number('minted') == 0 or row.open_first == '0')
local facts = nil
if content == 'rotated' or content == 'logged_in' then facts = {unpack(ARGV, 9, 13)} end
replace(attempt, claim, from, facts, ARGV[14])
if other_until then
  set_verdict(attempt, 'not_before', 'in_flight', other_until, '0')
else
  set_verdict(nil, nil, nil, nil, nil)
end
if content == 'rotated' then
  row.rotations = text(number('rotations') + 1)
  if evidence ~= '' then row.evidence_at, row.evidence_interval = text(now), evidence end
else
  forget_evidence()
end
row.due_at = later(due_in)
if forgotten and row.refresh then
  row.open_id, row.open_attempt, row.open_first, row.open_first_at = ARGV[15], mint(), '0', text(now)
  row.open_until, row.open_cause = later(ARGV[16]), 'forgotten'
  row.minted = row.open_attempt
end
return changed('done')
