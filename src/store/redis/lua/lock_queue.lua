-- What the scripts of a lock share: its keys, and who waits for it.
--
-- KEYS[1]  the lock: its holder's token, for as long as the lease
-- KEYS[2]  the fence: the last one given out, and a while longer than the lease
-- KEYS[3]  the queue: tokens by their places, sorted
-- ARGV[1]  the caller's token; its first 16 letters name the channel on which its process hears
-- ARGV[2]  what the name of every such channel begins with
-- ARGV[3]  how long the lock is kept for whoever it is handed to, until they take it, ms
local lock, fence, queue = KEYS[1], KEYS[2], KEYS[3]
local token, channels, handover = ARGV[1], ARGV[2], ARGV[3]

-- How long a fence outlives its lease, ms: so long a clock that is set back does no harm.
local FENCE_OUTLIVES = 600000

-- The holder's token; '' when it is nothing of ours.
local function holder()
  local held = redis.pcall('GET', lock)
  return type(held) == 'table' and '' or held
end

-- Who has only just come may not be listening yet, and looks when it does, ms.
local NEW = 250

local function is_new(waiter)
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2] - redis.call('ZSCORE', queue, waiter) < NEW * 1000
end

-- Has a waiter look at the lock after so many ms. Answers for how long the lock is kept if it is handed
-- to that waiter, ms; nothing, if that cannot be reached.
local function call(waiter, ms)
  local reached = redis.pcall('PUBLISH', channels .. string.sub(waiter, 1, 16), waiter .. ':' .. ms)
  if type(reached) == 'number' and reached > 0 then
    return handover
  end
  return is_new(waiter) and NEW or nil
end

local function first()
  return redis.call('ZRANGE', queue, 0, 0)[1]
end

-- Has the first in the queue look after so many ms: it sees to it that a lease which ends is noticed.
-- Whoever cannot be reached is gone, or will come again.
local function call_first(ms)
  local waiter = first()
  while waiter and not call(waiter, ms) do
    redis.call('ZREM', queue, waiter)
    waiter = first()
  end
end

-- Hands a lock that nobody holds to the first in the queue, unless that is the caller; whether it did.
local function hand_over()
  local waiter = first()
  while waiter and waiter ~= token do
    local kept_for = call(waiter, 0)
    redis.call('ZREM', queue, waiter)
    if kept_for then
      -- A server that is full keeps nothing; the waiter then takes it like anybody else.
      local kept = redis.pcall('SET', lock, waiter, 'PX', kept_for)
      call_first(kept_for)
      return not kept.err
    end
    waiter = first()
  end
  return false
end
