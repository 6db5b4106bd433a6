-- release.lua with a known bug put back: it gives back whatever lease is there.

local value = redis.call('GET', KEYS[1])
if not value then
  return 0
end
local fence, state, owner = string.match(value, '^(%d+) (%l+) (.*)$')
if state == 'free' then
  return 1
end
redis.call('SET', KEYS[1], fence .. ' free ' .. owner, 'PX', ARGV[2])
if ARGV[3] ~= '' then
  redis.call('PUBLISH', ARGV[3], ARGV[4])
end
return 1
