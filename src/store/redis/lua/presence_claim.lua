-- Gives a socket its next version, and stores its placement: its user and its rooms.
--
-- KEYS[1]  the socket: its version, the claim of the set, the length of its placement, its
--          placement, which is empty after a removal, and the placement that it has left
-- ARGV[1]  the placement: its user, then its rooms, each after its length; for a removal, only its
--          user
-- ARGV[2]  the socket's TTL, ms; empty: it is removed
-- ARGV[3]  the version since which nothing may have changed; empty: any change is allowed
-- ARGV[4]  '1': it is also allowed if nothing is known of the socket
-- ARGV[5]  the claim of this set, 16 letters
-- Returns nothing if there was a change. Otherwise the version, the previous placement if it
-- differs, and the one that was left before: a caller that lost an answer has to leave that one,
-- too. If there is neither, only the version, which is returned faster than a list; after a
-- question mark if nothing was known of the socket. O(length of the placements).
local home, ttl, since, or_lost, claim = unpack(ARGV)

-- The minimum time for which a removal is stored, so that no refresh restores the socket, ms.
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

-- An earlier setter may trust its set for its whole TTL, and has to find this record.
local left = stored and redis.call('PTTL', KEYS[1]) or 0

if ttl ~= '' then
  local gone = before ~= home and before or ''
  -- If the same set is repeated, it still has to leave the old placement. A new set in the same
  -- placement has left it by now.
  local leaves = gone ~= '' and gone or claimed == claim and left_home or ''
  remember(claim, home, leaves, math.max(left, tonumber(ttl)))
  if gone == '' and left_home == '' then
    return known and version or '?' .. version
  end
  return {version, gone, left_home}
end

if known and before ~= '' and string.sub(before, 1, #home) ~= home then
  -- It belongs to another user now.
  return {known, '', ''}
end
remember('', '', before and before ~= '' and before or left_home, math.max(left, REMOVED))
return {version, before or '', left_home}
