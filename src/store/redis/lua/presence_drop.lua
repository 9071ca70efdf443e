-- Removes a socket from a place, unless something newer is known of it there.
--
-- ARGV[1]  its field
-- ARGV[2]  the version of its removal
-- ARGV[3]  the channel to notify that it left; empty: none
-- ARGV[4]  '1': notify even if it is not known there; it may have been evicted while watchers still
--          have it
-- ARGV[5]  return its metadata if they have at most this many bytes; empty: do not
-- Returns its metadata, if it was there and they are requested; 0, and does nothing, if they are
-- larger. O(log members).
local field, version, channel, unmet, most = unpack(ARGV)
local left = '-' .. version .. ':' .. #field .. ':' .. field
local old = record(field)
if not old then
  if unmet == '1' then
    tell(channel, left)
  end
  return false
end
if old.version > tonumber(version) then
  return false
end
if most ~= '' and #old.metadata > tonumber(most) then
  return 0
end
redis.call('ZREM', members, old.life .. field)
redis.call('HDEL', records, field)
if old.ends <= now then
  return false
end
see(NO_LIFE)
tell(channel, left)
return most ~= '' and old.metadata
