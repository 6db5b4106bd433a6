-- Takes a login in.
-- ARGV 3 id, 4 accept spent (0 or 1), 5 claimed elsewhere (0 or 1), 6 not after us, 7 due in us or '',
--      8 access, 9 refresh or '', 10 expires in us or '', 11 refresh expires in us or '', 12 payload,
--      13 as of us or ''
local id, accept_spent, elsewhere, not_after, due_in, access, refresh = unpack(ARGV, 3, 9)
if row.made_by == id then return reply('done') end
if accept_spent ~= '1' then
  local held = row.access and (row.refresh or '') == refresh and (refresh ~= '' or row.access == access)
  if held then return reply('same') end
  if refresh ~= '' and (knows(refresh) or elsewhere == '1') then return reply('presented') end
end
-- The reservation of the refresh token is only good for so long.
if now > tonumber(not_after) then return reply('late') end
replace(mint(), id, '0', {unpack(ARGV, 8, 12)}, ARGV[13])
judge(nil, nil, nil, nil, nil)
forget_evidence()
row.due_at = later(due_in)
return done('done')
