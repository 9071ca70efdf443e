-- Lists who is in a place, those who end first at the front.
--
-- ARGV[1]  at most so many
-- ARGV[2]  '1': with their records
-- Answers the time, the members and the records; of more than that the time alone. O(members listed).
if size == 0 then
  return {now, {}, {}}
end
sweep(64)
local most = tonumber(ARGV[1])
if size > most and redis.call('ZCOUNT', members, '(' .. now, '+inf') > most then
  return {now}
end
local there = redis.call('ZRANGEBYSCORE', members, '(' .. now, '+inf')
local texts = {}
if ARGV[2] == '1' and #there > 0 then
  local fields = {}
  for i = 1, #there do
    fields[i] = string.sub(there[i], LIFE + 1)
  end
  texts = redis.call('HMGET', records, unpack(fields))
end
return {now, there, texts}
