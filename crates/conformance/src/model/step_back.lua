-- As if the server's clock had stepped back: every instant that adapters have written lies ahead by so much.
-- ARGV 1 prefix, 2 by how many us; forward where that is negative. No instant lies before 1970.
local prefix, by = ARGV[1], tonumber(ARGV[2])
local function moved(text) return string.format('%.0f', math.max(tonumber(text) + by, 0)) end

local ROW = {'made_at', 'expires_at', 'refresh_expires_at', 'open_first_at', 'open_until', 'until_at', 'evidence_at',
  'due_at', 'changed_at'}
local ENTRY = {'put', 'valid_end', 'good_end', 'until'}

local function move_fields(key, names)
  for _, name in ipairs(names) do
    local at = redis.call('HGET', key, name)
    if at then redis.call('HSET', key, name, moved(at)) end
  end
end

local function move_repeated_token(key)
  local value = redis.call('GET', key)
  local line_end = string.find(value, '\n', 1, true)
  local words = {}
  for word in string.gmatch(string.sub(value, 1, line_end - 1), '%S+') do words[#words + 1] = word end
  for _, at in ipairs({4, 5, 8, 10}) do
    if words[at] ~= '-' then words[at] = moved(words[at]) end
  end
  redis.call('SET', key, table.concat(words, ' ') .. string.sub(value, line_end), 'KEEPTTL')
end

local function move_lease(key)
  local head, ends, ttl = string.match(redis.call('GET', key), '^(%d+ held %S+ )(%d+)( %d+)$')
  if head then redis.call('SET', key, head .. moved(ends) .. ttl, 'KEEPTTL') end
end

-- A zero is a mark and no instant.
local function move_scores(key)
  local scores = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for at = 1, #scores, 2 do
    if tonumber(scores[at + 1]) ~= 0 then redis.call('ZADD', key, moved(scores[at + 1]), scores[at]) end
  end
end

for _, key in ipairs(redis.call('KEYS', prefix .. ':*')) do
  local kind = redis.call('TYPE', key).ok
  if string.find(key, ':rec$') then
    move_fields(key, ROW)
  elseif string.find(key, ':last$') then
    move_fields(key, ENTRY)
  elseif string.find(key, ':tok$') then
    move_repeated_token(key)
  elseif string.find(key, ':lease$') then
    move_lease(key)
  elseif string.find(key, ':pace:', 1, true) or string.find(key, ':clock$') then
    move_fields(key, redis.call('HKEYS', key))
  elseif kind == 'zset' and not string.find(key, ':accounts$') then
    move_scores(key)
  end
end
return 1
