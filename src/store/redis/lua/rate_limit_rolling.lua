-- Counts a request if it fits into a sliding window or a token bucket. store/rate_limits.rs explains the
-- arithmetic.
--
-- KEYS[1]  the limit
-- ARGV[1]  S (sliding window) or T (token bucket)
-- ARGV[2]  the limit, a whole number
-- ARGV[3]  the window, milliseconds
-- ARGV[4]  the cost of this request, a whole number
-- ARGV[5]  the time, milliseconds since 1970, set by a test; empty: the server's
-- Returns allowed (1 or 0), count, when the count is back at zero (ms since 1970), ms until a
-- retry, remaining.
-- Writes only if the request is allowed or the clock was set back; the key always has a TTL. O(1).
local algorithm = ARGV[1]
local limit, window, cost = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now = tonumber(ARGV[5])
-- The key expires by the server's clock. A test's clock may stand still, so the key lives longer.
local spare = now and 60000 or 0
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Any other value is not a tally and is replaced by one.
local stored = redis.pcall('GET', KEYS[1])
local since, counted, before
if type(stored) == 'string' then
  since, counted, before = string.match(stored, '^(%d+):(%d+):(%d+)$')
end
since, counted, before = tonumber(since) or now, tonumber(counted) or 0, tonumber(before) or 0

-- The current tally. After the clock was set back, it counts from now on, not from every now.
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

-- The used part of the capacity, in requests x ms.
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
