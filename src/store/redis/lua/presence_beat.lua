-- Begins or renews a process lease.
--
-- KEYS[1]  process leases by their last heartbeat, ms since 1970
-- ARGV[1]  the process lease
-- ARGV[2]  how long one lasts without a heartbeat, ms
-- ARGV[3]  '1': it begins
-- Returns 1, or 0 if it has ended. O(log process leases).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[3] == '1' then
  -- After 30 days nobody asks any more.
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 2592000000)
else
  local last = redis.call('ZSCORE', KEYS[1], ARGV[1])
  if not last or now - last >= tonumber(ARGV[2]) then
    return 0
  end
end
redis.call('ZADD', KEYS[1], now, ARGV[1])
return 1
