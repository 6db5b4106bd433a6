-- Shows the row.
return reply('done')
