-- What all scripts about a row share; each of them is spent.lua, this text and its own.
-- KEYS[1] the row, a hash. KEYS[2] the account's archive. ARGV[1] the account's name, perhaps sealed.
-- The meaning of every change is the function of the same name in solekey-core's row.rs.
-- Absent fields are absent options. Numbers stay below 2^53, where Lua counts exactly; text() writes them
-- without an exponent.
local FORMAT = 1
local MAX_PRESENTED = 64
local DIGITS = 32
local STEP = 1000000
-- 400 days; a longer life of refresh tokens counts instead.
local SPENT_KEPT = 400 * 86400000000

local function text(number) return string.format('%.0f', number) end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local before, row = {}, {}
local flat = redis.call('HGETALL', KEYS[1])
for at = 1, #flat, 2 do
  before[flat[at]] = flat[at + 1]
  row[flat[at]] = flat[at + 1]
end

-- Fingerprints that the row neither holds nor lists any more: those that were presented, which are archived, and the
-- others.
local spent, released = {}, {}
-- The day until which archived ones are remembered.
local spent_until = 0

-- Whether the row's instants were moved.
local followed = 0

-- {outcome, now, fields and values of the row, spent fingerprints and until when, released fingerprints, followed (0 or 1)}
local function reply(outcome)
  local fields = {}
  for name, value in pairs(row) do
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  return {outcome, text(now), fields, spent, text(spent_until), released, followed}
end

if tonumber(row.format or '0') > FORMAT then return reply('unreadable') end

local function number(name) return tonumber(row[name] or '0') end

-- '' stands for an absent option among the arguments.
local function option(argument) if argument ~= '' then return argument end end

local function later(span, from) if span ~= '' then return text((from or now) + tonumber(span)) end end

local function save()
  row.format = text(FORMAT)
  if ARGV[1] ~= '' then row.name = ARGV[1] end
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

local function changed(outcome)
  row.changed_at = text(now)
  return done(outcome)
end

-- A clock that has stepped back behind the last change: what was to last for a time from there lasts as long from now.
local INSTANTS = {'made_at', 'expires_at', 'refresh_expires_at', 'open_first_at', 'open_until', 'evidence_at',
  'until_at', 'due_at', 'changed_at'}
local ahead = number('changed_at') - now
if ahead >= STEP then
  for _, name in ipairs(INSTANTS) do
    if row[name] then row[name] = text(math.max(number(name) - ahead, 0)) end
  end
  followed = 1
  save()
  before = {}
  for name, value in pairs(row) do before[name] = value end
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
  local life = number('refresh_expires_at') - number('made_at')
  spent_until = day(now + math.max(life, SPENT_KEPT))
  for at = kept + 1, #presented, DIGITS do
    spent[#spent + 1] = string.sub(presented, at, at + DIGITS - 1)
    archive(KEYS[2], spent[#spent], spent_until, day(now))
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
local function set_verdict(generation, decision, why, until_at, strikes)
  row.verdict_of, row.ruling, row.why, row.until_at, row.strikes = generation, decision, why, until_at, strikes
end

local function forget_evidence() row.evidence_at, row.evidence_interval = nil, nil end

-- facts: {access, refresh, expires_in, refresh_expires_in, payload} or nil; their spans count from as_of, at the
-- latest from now.
local function replace(attempt, claim, from, facts, as_of)
  local refresh = facts and option(facts[2])
  local replaced = row.left or row.refresh
  if replaced and replaced ~= refresh then remember(replaced) end
  row.left = nil
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
