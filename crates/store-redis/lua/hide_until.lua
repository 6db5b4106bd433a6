-- Pushes the row's time forward if it has come: of all who ask, one is answered 'taken'.
-- ARGV 1 is '', for the name stays; 2 hold us
-- Returns {taken (0 or 1), due us or '', name}; nothing of a row that is not there. A row of a newer
-- version is left to that version, which finds it in the index a hold later.
if not row.format then return {0, '', ''} end
if not row.due_at or number('due_at') > now then return {0, row.due_at or '', row.name} end
row.due_at = later(ARGV[2])
save()
return {1, row.due_at, row.name}
