-- Removes members from a place whose process lease has ended: ARGV. A member set under another
-- process lease since is another member. O(members given).
for i = 1, #ARGV do
  if redis.call('ZREM', members, ARGV[i]) == 1 then
    redis.call('HDEL', records, string.sub(ARGV[i], LIFE + 1))
  end
end
return 1
