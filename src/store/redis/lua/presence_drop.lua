-- Takes a socket out of a place, unless something newer is known of it there.
--
-- ARGV[1]  its field
-- ARGV[2]  the version as of which it is gone
-- ARGV[3]  where to tell that it left; empty: nowhere
-- ARGV[4]  '1': also if it is not known there; it may have been evicted, and whoever watches still has it
-- Answers its metadata, if it was there. O(log members).
local field, version, channel, unmet = unpack(ARGV)
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
redis.call('ZREM', members, old.life .. field)
redis.call('HDEL', records, field)
if old.ends <= now then
  return false
end
see(NO_LIFE)
tell(channel, left)
return old.metadata
