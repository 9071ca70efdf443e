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

-- Has a waiter look at the lock after so many ms. Answers whether it hears that.
local function call(waiter, ms)
  local reached = redis.pcall('PUBLISH', channels .. string.sub(waiter, 1, 16), waiter .. ':' .. ms)
  return type(reached) == 'number' and reached > 0
end

local function waiter_at(place)
  return redis.call('ZRANGE', queue, place, place)[1]
end

local function first()
  return waiter_at(0)
end

-- Has the first in the queue who hears it look after so many ms: it sees to it that a lease which ends
-- is noticed. Whoever does not hear it has only just come, or is gone, or will come again.
local function call_first(ms)
  local place = 0
  local waiter = first()
  while waiter and not call(waiter, ms) do
    if is_new(waiter) then
      place = place + 1
    else
      redis.call('ZREM', queue, waiter)
    end
    waiter = waiter_at(place)
  end
end

-- Hands a lock that nobody holds to the first in the queue, unless that is the caller; whether it did.
local function hand_over()
  local waiter = first()
  while waiter and waiter ~= token do
    local kept_for = call(waiter, 0) and handover or is_new(waiter) and NEW
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
