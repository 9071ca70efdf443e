-- Counts a request if it fits into a sliding window or a token bucket. The arithmetic is explained in store/limits.rs.
--
-- KEYS[1]  the limit
-- ARGV[1]  S (sliding window) or T (token bucket)
-- ARGV[2]  the limit, a whole number
-- ARGV[3]  the window, milliseconds
-- ARGV[4]  what this request costs, a whole number
-- ARGV[5]  the time, milliseconds since 1970, as a test moves it; nothing: the server's
-- Answers allowed (1 or 0), count, when nothing counts any more (ms since 1970), ms until a retry,
-- remaining.
-- Writes only when the request is allowed or the clock was set back; the key always has a TTL. O(1).
local algorithm = ARGV[1]
local limit, window, cost = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now = tonumber(ARGV[5])
-- The key ends by the server's clock. By another, which may stand still, it has ended only when that says so.
local spare = now and 60000 or 0
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Whatever else is there is no tally, and makes way for one.
local stored = redis.pcall('GET', KEYS[1])
local since, counted, before
if type(stored) == 'string' then
  since, counted, before = string.match(stored, '^(%d+):(%d+):(%d+)$')
end
since, counted, before = tonumber(since) or now, tonumber(counted) or 0, tonumber(before) or 0

-- The tally as it is now. After a clock was set back it counts from now on, not from every now.
local was_set_back = since > now
since = math.min(since, now)
local elapsed = now - since
if algorithm == 'T' then
  since, counted, before = now, math.max(0, counted - elapsed * limit), 0
elseif elapsed >= window and elapsed < 2 * window then
  since, counted, before = since + window, 0, counted
elseif elapsed >= window then
  since, counted, before = now, 0, 0
end
local left = window - (now - since)

-- What of the capacity is used, in requests x ms.
local capacity = limit * window
local function used(count)
  if algorithm == 'T' then
    return count
  end
  return count * window + before * left
end

local step = algorithm == 'T' and cost * window or cost
local allowed = cost <= limit and used(counted + step) <= capacity
local retry = 0
if allowed then
  counted = counted + step
elseif cost > limit then
  retry = window
elseif algorithm == 'T' then
  retry = math.ceil((counted + step - capacity) / limit)
else
  local free = (limit - cost) * window
  if free >= counted * window then
    retry = left - math.floor((free - counted * window) / before)
  else
    retry = left + window - math.floor(free / counted)
  end
end

local reset = 0
if algorithm == 'T' then
  reset = math.ceil(counted / limit)
elseif counted > 0 then
  reset = window + left
elseif before > 0 then
  reset = left
end

local function ttl()
  return string.format('%.0f', math.max(1, reset) + spare)
end
if allowed or was_set_back then
  local tally = string.format('%.0f:%.0f:%.0f', since, counted, before)
  redis.call('SET', KEYS[1], tally, 'PX', ttl())
elseif redis.call('PTTL', KEYS[1]) == -1 then
  redis.call('PEXPIRE', KEYS[1], ttl())
end
local total = used(counted)
local remaining = math.max(0, math.floor((capacity - total) / window))
return {allowed and 1 or 0, math.ceil(total / window), now + reset, retry, remaining}
