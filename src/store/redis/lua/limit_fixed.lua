-- Counts a request if it fits into a fixed window, which begins with the first request and is the
-- life of the key.
--
-- KEYS[1]  the limit
-- ARGV[1]  the limit, a whole number
-- ARGV[2]  the window, milliseconds
-- ARGV[3]  what this request costs, a whole number
-- Answers allowed (1 or 0), count, when the window ends (ms since 1970), ms until a retry. O(1).
local key, limit, window, cost = KEYS[1], tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])

-- A key that has lost its time to live, or has one that a clock set back has made too long, gets
-- another window.
local function left()
  local ms = redis.call('PTTL', key)
  if ms == -1 or ms > tonumber(window) then
    redis.call('PEXPIRE', key, window)
    return tonumber(window)
  end
  return ms
end

local function ends()
  local at = redis.pcall('PEXPIRETIME', key)
  if type(at) == 'number' and at >= 0 then
    return at
  end
  -- Before Redis 7, or no time to live.
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000) + math.max(0, left())
end

if cost > limit then
  return {0, tonumber(redis.pcall('GET', key)) or 0, ends(), tonumber(window)}
end
local used = redis.pcall('INCRBY', key, cost)
if type(used) ~= 'number' then
  -- Whatever else is there makes way.
  redis.call('DEL', key)
  used = redis.call('INCRBY', key, cost)
end
if used == cost then
  redis.call('PEXPIRE', key, window)
elseif used > limit then
  used = redis.call('DECRBY', key, cost)
  local retry = left()
  return {0, used, ends(), retry}
end
return {1, used, ends(), 0}
