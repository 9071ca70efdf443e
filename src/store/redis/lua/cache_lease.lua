-- Reads a value, or puts the placeholder of a new lease where there is none.
--
-- KEYS[1]  the cache key
-- ARGV[1]  the placeholder
-- ARGV[2]  how long it lasts, milliseconds
-- Answers the value that was there, or nil when the placeholder was put (also over a key of
-- another type or an empty text, which are misses). O(1).
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'string' and value ~= '' then
  return value
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return nil
