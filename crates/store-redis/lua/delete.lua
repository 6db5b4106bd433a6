-- Leaves a tombstone.
-- ARGV 2 id
if not row.access then return reply('done') end
-- A token that was only held is not one that was presented.
local left = row.refresh
row.refresh = nil
replace(mint(), ARGV[2], '0', nil)
if left and not knows(left) then
  row.left = left
  released[1] = left
end
set_verdict(nil, nil, nil, nil, nil)
forget_evidence()
row.due_at = nil
return changed('done')
