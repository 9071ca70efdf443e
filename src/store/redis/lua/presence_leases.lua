-- Lists the process leases with a heartbeat in the last hour: nothing depends on an ended one for
-- longer.
--
-- KEYS[1]  process leases by their last heartbeat, ms since 1970
-- Returns the time, and each process lease with its last heartbeat. O(process leases).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return {now, redis.call('ZRANGEBYSCORE', KEYS[1], now - 3600000, '+inf', 'WITHSCORES')}
