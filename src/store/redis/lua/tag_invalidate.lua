-- Deletes an entry, unless it was set again since its tag was invalidated.
--
-- KEYS[1]  the entry: versions of 16 digits each, a colon, its value
-- ARGV     the versions that the tag had
-- Returns 1 if it was deleted. O(1).
local MOST_TAGS = 64
local head = redis.pcall('GETRANGE', KEYS[1], 0, MOST_TAGS * 16)
if type(head) == 'table' then
  -- Forbidden, or the key has another type; GET then says so, too.
  head = redis.pcall('GET', KEYS[1])
end
local colon = type(head) == 'string' and string.find(head, ':', 1, true) or 0
for at = 1, colon - 16, 16 do
  for _, version in ipairs(ARGV) do
    if string.sub(head, at, at + 15) == version then
      return redis.call('DEL', KEYS[1])
    end
  end
end
return 0
