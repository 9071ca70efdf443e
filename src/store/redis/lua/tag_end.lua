-- Deletes the version of a tag, and the tag with it. Its entries wait beside it, with the version,
-- until they have been removed: a caller that loses the answer finds them when it asks again.
--
-- KEYS[1]  the tag
-- KEYS[2]  what waits to be removed: entries by their ends, versions with score 0
-- ARGV[1]  how many entries are returned at most
-- ARGV[2]  how long they wait, milliseconds
-- ARGV[3]  '1': only ask for what already waits
-- Returns the waiting versions and entries. O(entries of the tag) if something waited already.
local tag, waiting = KEYS[1], KEYS[2]

-- The content of a tag is freed in the background, where that is allowed.
local function unlink(key)
  if type(redis.pcall('UNLINK', key)) == 'table' then
    redis.call('DEL', key)
  end
end

if ARGV[3] ~= '1' then
  local version = redis.pcall('ZSCORE', tag, '')
  if type(version) == 'string' then
    redis.call('ZREM', tag, '')
    redis.call('ZADD', tag, 0, string.sub(version, 2))
    if redis.call('EXISTS', waiting) == 1 then
      redis.call('ZUNIONSTORE', waiting, 2, waiting, tag, 'AGGREGATE', 'MAX')
      unlink(tag)
    else
      redis.call('RENAME', tag, waiting)
    end
    redis.call('PEXPIRE', waiting, ARGV[2])
  else
    unlink(tag)
  end
end

return {
  redis.call('ZRANGEBYSCORE', waiting, 0, 0),
  redis.call('ZRANGEBYSCORE', waiting, '(0', '+inf', 'LIMIT', 0, ARGV[1]),
}
