-- Sets a value if the lease that came with the miss still stands.
--
-- KEYS[1]  the cache key
-- ARGV[1]  how a value under that lease ends (trailer.rs)
-- ARGV[2]  the new value
-- ARGV[3]  how long it lasts, milliseconds
-- Answers 1 when it was set, 0 when the key has changed or gone since. O(1).
local ending = redis.pcall('GETRANGE', KEYS[1], -#ARGV[1], -1)
if type(ending) == 'table' then
  -- Forbidden; or the key has another type, which this says, too.
  local stored = redis.pcall('GET', KEYS[1])
  ending = type(stored) == 'string' and string.sub(stored, -#ARGV[1])
end
if ending ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
