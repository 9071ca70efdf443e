-- Sets a value if the lease that came with the miss is still there.
--
-- KEYS[1]  the cache key
-- ARGV[1]  the trailer of a value under that lease (trailer.rs)
-- ARGV[2]  the new value
-- ARGV[3]  its TTL, milliseconds
-- Returns 1 if it was set, 0 if the key has changed or disappeared since. O(1).
local ending = redis.pcall('GETRANGE', KEYS[1], -#ARGV[1], -1)
if type(ending) == 'table' then
  -- Forbidden, or the key has another type; GET then says so, too.
  local stored = redis.pcall('GET', KEYS[1])
  ending = type(stored) == 'string' and string.sub(stored, -#ARGV[1])
end
if ending ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
