-- Lists the sockets in a place, the first to expire at the front.
--
-- ARGV[1]  at most this many
-- ARGV[2]  '1': with their records
-- ARGV[3]  at most this many bytes
-- Returns the time, the members and the records. Too many members: only the time. Too many bytes:
-- the time and their number. O(members listed).
if size == 0 then
  return {now, {}, {}}
end
sweep(64)
local most = tonumber(ARGV[1])
if size > most and redis.call('ZCOUNT', members, '(' .. now, '+inf') > most then
  return {now}
end
local there = redis.call('ZRANGEBYSCORE', members, '(' .. now, '+inf')
local bytes = 0
for i = 1, #there do
  bytes = bytes + #there[i]
end
local texts = {}
if ARGV[2] == '1' and #there > 0 then
  local fields = {}
  for i = 1, #there do
    fields[i] = string.sub(there[i], LIFE + 1)
  end
  texts = redis.call('HMGET', records, unpack(fields))
  for i = 1, #texts do
    bytes = bytes + (texts[i] and #texts[i] or 0)
  end
end
if bytes > tonumber(ARGV[3]) then
  return {now, bytes}
end
return {now, there, texts}
