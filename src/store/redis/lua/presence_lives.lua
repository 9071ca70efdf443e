-- Lists the lives that go on, each with when it was last heard of.
--
-- KEYS[1]  lives by when they were last heard of, ms since 1970
-- ARGV[1]  how long one lasts that is not heard of, ms
-- O(lives).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], now - ARGV[1], '+inf', 'WITHSCORES')
