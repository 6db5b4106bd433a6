-- Leaves a tombstone.
-- ARGV 3 id
if not row.access then return reply('done') end
replace(mint(), ARGV[3], '0', nil)
judge(nil, nil, nil, nil, nil)
forget_evidence()
row.due_at = nil
return done('done')
