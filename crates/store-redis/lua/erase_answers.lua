-- Erases the answers of attempts before a generation.
-- KEYS[1] the account's answers
-- ARGV    1 generation (20 digits)
-- Returns how many.
local erased = 0
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(name, 1, 20) < ARGV[1] then
    erased = erased + redis.call('HDEL', KEYS[1], name)
  end
end
return erased
