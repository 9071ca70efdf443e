-- Puts a socket into a place, unless something newer is known of it there.
--
-- ARGV[1]  its field
-- ARGV[2]  the life with which it ends
-- ARGV[3]  its version
-- ARGV[4]  how long it lasts, ms
-- ARGV[5]  its metadata
-- ARGV[6]  where to tell that it came or is different; empty: nowhere
-- O(log members).
local field, life, version, ttl, metadata, channel = unpack(ARGV)
local old = record(field)
if old and old.version > tonumber(version) then
  return 0
end
write(field, old, life, version, ttl, metadata)
see(life)
local was_there = old and old.ends > now
if channel ~= '' and not (was_there and old.life == life and old.metadata == metadata) then
  redis.call('PUBLISH', channel, '+' .. version .. ':' .. life .. ':' .. ttl .. ':' .. #field .. ':' .. field .. metadata)
end
if not was_there then
  sweep(16)
end
return 1
