-- Reads a value, or stores the placeholder of a new lease where there is none.
--
-- KEYS[1]  the cache key
-- ARGV[1]  the placeholder
-- ARGV[2]  its TTL, milliseconds
-- Returns the existing value, or nil if the placeholder was stored (also over a key of another type
-- or an empty text, which are misses). O(1).
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'string' and value ~= '' then
  return value
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return nil
