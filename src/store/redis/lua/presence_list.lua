-- Lists who is in a place, those who end first at the front.
--
-- ARGV[1]  at most so many
-- ARGV[2]  '1': with their records
-- Answers the time, the members and the records. O(members listed).
sweep(64)
local there = redis.call('ZRANGEBYSCORE', members, '(' .. now, '+inf', 'LIMIT', 0, ARGV[1])
local texts = {}
if ARGV[2] == '1' and #there > 0 then
  local fields = {}
  for i = 1, #there do
    fields[i] = string.sub(there[i], LIFE + 1)
  end
  texts = redis.call('HMGET', records, unpack(fields))
end
return {now, there, texts}
