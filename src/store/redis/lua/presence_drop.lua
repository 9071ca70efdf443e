-- Takes a socket out of a place, unless something newer is known of it there.
--
-- ARGV[1]  its field
-- ARGV[2]  the version as of which it is gone
-- ARGV[3]  where to tell that it left; empty: nowhere
-- ARGV[4]  '1': also if it is not known there; it may have been evicted, and whoever watches still has it
-- ARGV[5]  answer its metadata, if they have at most so many bytes; empty: do not
-- Answers its metadata, if it was there and they are asked for; 0, and does nothing, when they have more.
-- O(log members).
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
