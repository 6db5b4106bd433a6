-- What all scripts about a row share; each of them is this text followed by its own.
-- KEYS[1] the row, a hash. ARGV[1] the account's name, perhaps sealed.
-- The meaning of every change is the function of the same name in solekey-core's row.rs.
-- Absent fields are absent options. Numbers stay below 2^53, where Lua counts exactly; text() writes them
-- without an exponent.
local FORMAT = 1
local MAX_PRESENTED = 64
local DIGITS = 32

local function text(number) return string.format('%.0f', number) end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local before, row = {}, {}
local flat = redis.call('HGETALL', KEYS[1])
for at = 1, #flat, 2 do
  before[flat[at]] = flat[at + 1]
  row[flat[at]] = flat[at + 1]
end

-- Fingerprints that were pushed out of `presented`.
local forgotten = {}

-- {outcome, now, fields and values of the row, forgotten fingerprints}
local function reply(outcome)
  local fields = {}
  for name, value in pairs(row) do
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  return {outcome, text(now), fields, forgotten}
end

if tonumber(row.format or '0') > FORMAT then return reply('unreadable') end

local function number(name) return tonumber(row[name] or '0') end

-- '' stands for an absent option among the arguments.
local function option(argument) if argument ~= '' then return argument end end

local function later(span, from) if span ~= '' then return text((from or now) + tonumber(span)) end end

local function save()
  row.format = text(FORMAT)
  row.name = ARGV[1]
  local set, drop = {}, {}
  for name, value in pairs(row) do
    if before[name] ~= value then
      set[#set + 1] = name
      set[#set + 1] = value
    end
  end
  for name in pairs(before) do
    if row[name] == nil then drop[#drop + 1] = name end
  end
  if #set > 0 then redis.call('HSET', KEYS[1], unpack(set)) end
  if #drop > 0 then redis.call('HDEL', KEYS[1], unpack(drop)) end
end

local function done(outcome)
  save()
  return reply(outcome)
end

-- `presented` is one string of fingerprints, newest first.
local function knows(token)
  local presented = row.presented or ''
  for at = 1, #presented, DIGITS do
    if string.sub(presented, at, at + DIGITS - 1) == token then return true end
  end
  return false
end

local function remember(token)
  if knows(token) then return end
  local presented = token .. (row.presented or '')
  local kept = MAX_PRESENTED * DIGITS
  for at = kept + 1, #presented, DIGITS do
    forgotten[#forgotten + 1] = string.sub(presented, at, at + DIGITS - 1)
  end
  row.presented = string.sub(presented, 1, kept)
end

local function mint(fence)
  return text(math.max(number('minted') + 1, tonumber(fence or '0'), now))
end

local function in_flight() return row.open_id ~= nil and now < number('open_until') end

local function close()
  row.open_id, row.open_attempt, row.open_first, row.open_first_at = nil, nil, nil, nil
  row.open_until, row.open_cause = nil, nil
end

-- until_at is an instant or nil.
local function judge(generation, ruling, why, until_at, strikes)
  row.verdict_of, row.ruling, row.why, row.until_at, row.strikes = generation, ruling, why, until_at, strikes
end

local function forget_evidence() row.evidence_at, row.evidence_interval = nil, nil end

-- facts: {access, refresh, expires_in, refresh_expires_in, payload} or nil; their spans count from as_of, at the
-- latest from now.
local function replace(attempt, claim, from, facts, as_of)
  local refresh = facts and option(facts[2])
  if row.access and row.refresh and row.refresh ~= refresh then remember(row.refresh) end
  row.generation, row.made_by, row.made_from = attempt, claim, from
  row.minted = text(math.max(number('minted'), tonumber(attempt)))
  row.access, row.refresh, row.made_at, row.expires_at, row.refresh_expires_at = nil, nil, nil, nil, nil
  row.payload = ''
  if facts then
    local made_at = math.min(tonumber(as_of) or now, now)
    row.access, row.refresh, row.made_at = facts[1], refresh, text(made_at)
    row.expires_at, row.refresh_expires_at = later(facts[3], made_at), later(facts[4], made_at)
    row.payload = facts[5]
  end
  close()
end
