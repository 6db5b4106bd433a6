-- Leaves a tombstone.
-- ARGV 2 id
if not row.access then return reply('done') end
replace(mint(), ARGV[2], '0', nil)
judge(nil, nil, nil, nil, nil)
forget_evidence()
row.due_at = nil
return done('done')
