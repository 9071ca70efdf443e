-- Counts a request if it fits into a fixed window, which begins with the first request and is the
-- lifetime of the key.
--
-- KEYS[1]  the limit
-- ARGV[1]  the limit, a whole number
-- ARGV[2]  the window, milliseconds
-- ARGV[3]  the cost of this request, a whole number
-- Returns {allowed (1 or 0), count, last millisecond of the window (since 1970), ms until a retry}.
-- For a request that fits into an open window it returns a number instead: count * 2^40 + last
-- millisecond since SINCE_MS. O(1).
local SINCE_MS, BITS_40 = 1700000000000, 1099511627776
local used = redis.pcall('INCRBY', KEYS[1], ARGV[3])
local last = redis.pcall('PEXPIRETIME', KEYS[1])
local limit = tonumber(ARGV[1])

-- The usual case. A number is returned in half the time of a list; a double holds no larger one.
if type(used) == 'number' and used <= limit and used < 8192 and type(last) == 'number' then
  local since = last - SINCE_MS
  if since >= 0 and since < BITS_40 then
    return used * BITS_40 + since
  end
end

-- The first of a window, or denied, or a large count, or before Redis 7, or a key without its TTL.
local key, window, cost = KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if type(used) ~= 'number' then
  local why = used.err
  if not (string.find(why, 'WRONGTYPE') or string.find(why, 'integer') or string.find(why, 'overflow')) then
    return used
  end
  -- Any other value is replaced.
  redis.call('DEL', key)
  used = redis.call('INCRBY', key, ARGV[3])
end

local allowed = used <= limit
if not allowed then
  used = redis.call('DECRBY', key, ARGV[3])
end
local left = redis.call('PTTL', key)
if not allowed and left == -1 and used == 0 then
  -- A denied request opens no window.
  redis.call('DEL', key)
  left, last = 0, -1
elseif left == -1 or left > window then
  -- The window begins. Or a clock that was set back made it too long, and it gets a new one.
  redis.call('PEXPIRE', key, ARGV[2])
  left, last = window, redis.pcall('PEXPIRETIME', key)
end
left = math.max(0, left)
if type(last) ~= 'number' or last < 0 then
  local time = redis.call('TIME')
  last = time[1] * 1000 + math.floor(time[2] / 1000) + left
end
local retry = allowed and 0 or cost > limit and window or left + 1
return {allowed and 1 or 0, used, last, retry}
