-- Counts a request if it fits into a fixed window, which begins with the first request and is the
-- life of the key.
--
-- KEYS[1]  the limit
-- ARGV[1]  the limit, a whole number
-- ARGV[2]  the window, milliseconds
-- ARGV[3]  what this request costs, a whole number
-- Answers allowed (1 or 0), count, when the window ends (ms since 1970), ms until a retry. O(1).
local key, limit, cost = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[3])

-- What happens nearly always.
local used = 0
if cost <= limit then
  used = redis.pcall('INCRBY', key, ARGV[3])
  if type(used) ~= 'number' then
    local why = used.err
    if not (string.find(why, 'WRONGTYPE') or string.find(why, 'integer') or string.find(why, 'overflow')) then
      return used
    end
    -- Whatever else is there makes way.
    redis.call('DEL', key)
    used = redis.call('INCRBY', key, ARGV[3])
  end
  if used == cost then
    redis.call('PEXPIRE', key, ARGV[2])
  end
  if used <= limit then
    local ends = redis.pcall('PEXPIRETIME', key)
    if type(ends) == 'number' and ends >= 0 then
      -- A key is there until its time has passed: the millisecond after is the first without it.
      return {1, used, ends + 1, 0}
    end
  end
end

-- Denied, or before Redis 7, or the key has lost its time to live.
local allowed = cost <= limit and used <= limit
if cost > limit then
  used = tonumber(redis.pcall('GET', key)) or 0
elseif not allowed then
  used = redis.call('DECRBY', key, ARGV[3])
end
local window, left = tonumber(ARGV[2]), redis.call('PTTL', key)
if left == -1 or left > window then
  -- A clock that was set back has made it too long; it gets another window.
  redis.call('PEXPIRE', key, ARGV[2])
  left = window
end
left = math.max(0, left) + 1
local time = redis.call('TIME')
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + left
local retry = allowed and 0 or cost > limit and window or left
return {allowed and 1 or 0, used, ends, retry}
