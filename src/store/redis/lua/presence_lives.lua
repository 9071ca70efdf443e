-- Lists the lives that were heard of in the last hour: longer nothing depends on one that has ended.
--
-- KEYS[1]  lives by when they were last heard of, ms since 1970
-- Answers the time, and each life and when it was last heard of. O(lives).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return {now, redis.call('ZRANGEBYSCORE', KEYS[1], now - 3600000, '+inf', 'WITHSCORES')}
