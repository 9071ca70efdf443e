-- Takes a socket out of a place, unless something newer is known of it there.
--
-- ARGV[1]  its field
-- ARGV[2]  the version as of which it is gone
-- ARGV[3]  where to tell that it left; empty: nowhere
-- ARGV[4]  '1': older news that are still under way are kept out
-- Answers its metadata, if it was there. O(log members).
local field, version, channel, keeps_out = unpack(ARGV)
local old = record(field)
if old and old.version > tonumber(version) then
  return false
end
if keeps_out == '1' then
  write(field, old, KEPT_OUT, version, KEPT_OUT_FOR, '')
elseif old then
  redis.call('ZREM', members, old.life .. field)
  redis.call('HDEL', records, field)
end
if not old or old.life == KEPT_OUT or old.ends <= now then
  return false
end
see(NO_LIFE)
if channel ~= '' then
  redis.call('PUBLISH', channel, '-' .. version .. ':' .. #field .. ':' .. field)
end
return old.metadata
