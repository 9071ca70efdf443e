-- Gives a socket its next version, and remembers whose it is and where.
--
-- KEYS[1]  the socket: its version, the claim of whatever was set, and its home, which is empty once it was
--          removed
-- ARGV[1]  the home: its user, then its rooms, each after its length; or, to remove it, its user alone
-- ARGV[2]  how long the socket lasts, ms; empty: it is removed
-- ARGV[3]  the version since which nothing must have happened; empty: it does not matter
-- ARGV[4]  '1': and it does not matter either if nothing is known of the socket
-- ARGV[5]  the claim of what is set, 16 letters
-- Answers nothing if something has happened; else the version, and the home before if there was another.
-- O(length of the homes).
local home, ttl, since, or_lost, claim = unpack(ARGV)

-- How long a removal is remembered at least, so that no refresh brings the socket back, ms.
local REMOVED = 60000

local stored = redis.pcall('GET', KEYS[1])
local known, claimed, before
if type(stored) == 'string' then
  known, claimed, before = string.match(stored, '^(%d+):(%w*):(.*)$')
end

if since ~= '' then
  if not known then
    if or_lost ~= '1' then
      return false
    end
  elseif before == '' or tonumber(known) > tonumber(since) and claimed ~= claim then
    return false
  end
end

local time = redis.call('TIME')
local version = string.format('%.0f', math.max((known or 0) + 1, time[1] * 1000000 + time[2]))

-- Whoever has set it before may believe in it for as long as it was told, and has to find this.
local left = stored and redis.call('PTTL', KEYS[1]) or 0

if ttl ~= '' then
  redis.call('SET', KEYS[1], version .. ':' .. claim .. ':' .. home, 'PX', math.max(left, tonumber(ttl)))
  return {version, before ~= home and before or ''}
end

if known and before ~= '' and string.sub(before, 1, #home) ~= home then
  -- It is somebody else's now.
  return {known, ''}
end
redis.call('SET', KEYS[1], version .. '::', 'PX', math.max(left, REMOVED))
return {version, before or ''}
