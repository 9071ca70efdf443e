-- Deletes the placeholder of a lease whose loader failed.
--
-- KEYS[1]  the cache key
-- ARGV[1]  the placeholder
-- Returns 1 if it was deleted, 0 if the key has changed or disappeared since. O(1).
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
