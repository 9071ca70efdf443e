-- Takes the version of a tag away, and with it the tag.
--
-- KEYS[1]  the tag
-- KEYS[2]  where its entries wait if there are many
-- ARGV[1]  how many are answered at once
-- ARGV[2]  how long the others wait to be taken out, milliseconds
-- Answers the version that it had and its entries; only the version when they wait; nothing when there
-- was no tag. O(entries answered).
local version = redis.pcall('ZSCORE', KEYS[1], '')
if type(version) ~= 'string' then
  redis.call('UNLINK', KEYS[1])
  return {}
end
version = string.sub(version, 2)
redis.call('ZREM', KEYS[1], '')
if redis.call('ZCARD', KEYS[1]) > tonumber(ARGV[1]) then
  redis.call('RENAME', KEYS[1], KEYS[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
  return { version }
end
local entries = redis.call('ZRANGE', KEYS[1], 0, -1)
redis.call('UNLINK', KEYS[1])
return { version, entries }
