-- Reads the version of a tag, gives it one if it has none, and adds an entry to it.
--
-- KEYS[1]  the tag: its entries by their ends, epoch ms, and before them all, under the empty name,
--          its version as a negative number
-- ARGV[1]  the version that it must have; empty: any
-- ARGV[2]  its version if it has none yet
-- ARGV[3]  the entry; empty: none
-- ARGV[4]  the TTL of the entry, or the minimum time for the version, milliseconds
-- Returns the version, or nil if it is another. O(log entries).
local SWEPT_AT_ONCE = 16
-- An entry is set after its tags, perhaps over a slow connection, and must not outlive them, ms.
local SPARE = 10000
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local version = redis.pcall('ZSCORE', KEYS[1], '')
if type(version) == 'table' then
  -- A key of another type: it is not a tag.
  redis.call('DEL', KEYS[1])
  version = false
end
version = version and string.sub(version, 2)
if ARGV[1] ~= '' and ARGV[1] ~= version then
  return nil
end
if not version then
  version = ARGV[2]
  redis.call('ZADD', KEYS[1], '-' .. version, '')
end
local keep = tonumber(ARGV[4])
if ARGV[3] ~= '' then
  keep = keep + SPARE
  local gone = redis.call('ZRANGEBYSCORE', KEYS[1], 0, now, 'LIMIT', 0, SWEPT_AT_ONCE)
  if #gone > 0 then
    redis.call('ZREM', KEYS[1], unpack(gone))
  end
  redis.call('ZADD', KEYS[1], now + ARGV[4], ARGV[3])
end
if redis.call('PTTL', KEYS[1]) < keep then
  redis.call('PEXPIRE', KEYS[1], keep)
end
return version
