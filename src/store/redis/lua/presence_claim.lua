-- Gives a socket its next version, and remembers whose it is and where.
--
-- KEYS[1]  the socket: its version, the claim of whatever was set, the length of its home, its home, which is empty
--          once it was removed, and the home that it has left
-- ARGV[1]  the home: its user, then its rooms, each after its length; or, to remove it, its user alone
-- ARGV[2]  how long the socket lasts, ms; empty: it is removed
-- ARGV[3]  the version since which nothing must have happened; empty: it does not matter
-- ARGV[4]  '1': and it does not matter either if nothing is known of the socket
-- ARGV[5]  the claim of what is set, 16 letters
-- Answers nothing if something has happened; else the version, the home before if there was another, and the one
-- that was left before: whoever lost an answer has to leave that one, too. When there is neither, the version alone,
-- which is answered faster than a list; after a question mark, if nothing was known of the socket.
-- O(length of the homes).
local home, ttl, since, or_lost, claim = unpack(ARGV)

-- How long a removal is remembered at least, so that no refresh brings the socket back, ms.
local REMOVED = 60000

local stored = redis.pcall('GET', KEYS[1])
local known, claimed, before
local left_home = ''
if type(stored) == 'string' then
  local length, homes
  known, claimed, length, homes = string.match(stored, '^(%d+):(%w*):(%d+):(.*)$')
  if known then
    before, left_home = string.sub(homes, 1, length), string.sub(homes, length + 1)
  end
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

local function remember(claim_now, home_now, leaves, ms)
  local value = version .. ':' .. claim_now .. ':' .. #home_now .. ':' .. home_now .. leaves
  redis.call('SET', KEYS[1], value, 'PX', ms)
end

-- Whoever has set it before may believe in it for as long as it was told, and has to find this.
local left = stored and redis.call('PTTL', KEYS[1]) or 0

if ttl ~= '' then
  local gone = before ~= home and before or ''
  -- Set once more, it leaves what it has left; set anew where it was, it has left that by now.
  local leaves = gone ~= '' and gone or claimed == claim and left_home or ''
  remember(claim, home, leaves, math.max(left, tonumber(ttl)))
  if gone == '' and left_home == '' then
    return known and version or '?' .. version
  end
  return {version, gone, left_home}
end

if known and before ~= '' and string.sub(before, 1, #home) ~= home then
  -- It is somebody else's now.
  return {known, '', ''}
end
remember('', '', before and before ~= '' and before or left_home, math.max(left, REMOVED))
return {version, before or '', left_home}
