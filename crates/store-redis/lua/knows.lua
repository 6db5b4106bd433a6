-- Returns whether the account holds a refresh token, or has presented it: 'presented' if so.
-- ARGV 2 the token
local token = ARGV[2]
if row.refresh == token or knows(token) or archived(KEYS[2], token, day(now)) then return reply('presented') end
return reply('done')
