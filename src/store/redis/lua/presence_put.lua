-- Adds a socket to a place, unless something newer is known of it there.
--
-- ARGV[1]  its field
-- ARGV[2]  the process lease with which it ends
-- ARGV[3]  its version
-- ARGV[4]  its TTL, ms
-- ARGV[5]  its metadata
-- ARGV[6]  the channel to notify that it is new or has changed; empty: none
-- O(log members).
local field, life, version, ttl, metadata, channel = unpack(ARGV)

-- A version is the time at which it was issued, us. A set that was delayed for longer than this,
-- ms, may have missed a removal of the socket; a caller that still wants it there sets it again.
local LATE = 10000
if now - version / 1000 > LATE then
  return 0
end

local old = record(field)
if old and old.version > tonumber(version) then
  return 0
end

local ends = now + ttl
-- The same in each of its places. A version may be ahead of a clock that was set back.
local set_at = math.min(now, math.floor(version / 1000))
if old and old.life ~= life then
  redis.call('ZREM', members, old.life .. field)
end
redis.call('ZADD', members, ends, life .. field)
redis.call('HSET', records, field, life .. version .. ':' .. ends .. ':' .. set_at .. ':' .. metadata)
-- Both keys last as long as any of their content.
if redis.call('PTTL', members) < tonumber(ttl) then
  redis.call('PEXPIRE', members, 2 * ttl)
  redis.call('PEXPIRE', records, 2 * ttl)
end
see(life)

local was_there = old and old.ends > now
if not (was_there and old.life == life and old.metadata == metadata) then
  tell(channel, '+' .. version .. ':' .. life .. ':' .. ttl .. ':' .. #field .. ':' .. field .. metadata)
end
if not was_there then
  sweep(16)
end
return 1
