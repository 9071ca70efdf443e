-- Takes a socket out of a place, unless something newer is known of it there.
--
-- ARGV[1]  its field
-- ARGV[2]  the version as of which it is gone
-- ARGV[3]  where to tell that it left; empty: nowhere
-- Answers its metadata, if it was there. O(log members).
local field, version, channel = unpack(ARGV)
local old = record(field)
if not old or old.version > tonumber(version) then
  return false
end
redis.call('ZREM', members, old.life .. field)
redis.call('HDEL', records, field)
if old.ends <= now then
  return false
end
see(NO_LIFE)
tell(channel, '-' .. version .. ':' .. #field .. ':' .. field)
return old.metadata
