-- Takes a login in.
-- ARGV 2 id, 3 accept spent (0 or 1), 4 claimed elsewhere (0 or 1), 5 not after us, 6 due in us or '',
--      7 access, 8 refresh or '', 9 expires in us or '', 10 refresh expires in us or '', 11 payload,
--      12 as of us or '', 13 accept lesser (0 or 1), 14 the change that it amends or ''
local id, accept_spent, elsewhere, not_after, due_in, access, refresh = unpack(ARGV, 2, 8)
if row.made_by == id then return reply('done') end
local held = row.access and (row.refresh or '') == refresh and (refresh ~= '' or row.access == access)
local amends = ARGV[14]
if amends ~= '' then
  if row.made_by ~= amends or not held or row.open_id then return reply('moved') end
  local stands = row.verdict_of == row.generation
  replace(mint(), id, '0', {unpack(ARGV, 7, 11)}, ARGV[12])
  if stands then
    row.verdict_of = row.generation
  else
    set_verdict(nil, nil, nil, nil, nil)
    row.due_at = later(due_in)
  end
  return changed('done')
end
if refresh == '' and row.access and row.refresh and ARGV[13] ~= '1' then return reply('lesser') end
if accept_spent ~= '1' then
  if held then return reply('same') end
  if refresh ~= '' and (knows(refresh) or elsewhere == '1') then return reply('presented') end
  if refresh ~= '' and archived(KEYS[2], refresh, day(now)) then return reply('presented') end
end
-- The reservation of the refresh token is only good for so long.
if now > tonumber(not_after) then return reply('late') end
replace(mint(), id, '0', {unpack(ARGV, 7, 11)}, ARGV[12])
set_verdict(nil, nil, nil, nil, nil)
forget_evidence()
row.due_at = later(due_in)
return changed('done')
