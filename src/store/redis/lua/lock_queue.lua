-- Shared by the scripts of a lock: its keys and its queue.
--
-- KEYS[1]  the lock: its holder's token, for the duration of the lease
-- KEYS[2]  the fence: the last one given out, kept longer than the lease
-- KEYS[3]  the queue: tokens by their places, sorted
-- ARGV[1]  the caller's token; its first 16 letters name the channel of its process
-- ARGV[2]  the prefix of every such channel
-- ARGV[3]  how long the lock is reserved for the waiter it is handed to, ms
local lock, fence, queue = KEYS[1], KEYS[2], KEYS[3]
local token, channels, handover = ARGV[1], ARGV[2], ARGV[3]

-- How much longer than its lease a fence is kept, ms: it protects against a clock set back in that
-- time.
local FENCE_OUTLIVES = 600000

-- The holder's token; '' for a value that is not ours.
local function holder()
  local held = redis.pcall('GET', lock)
  return type(held) == 'table' and '' or held
end

-- A new waiter may not be listening yet; it checks once it is, ms.
local NEW = 250

local function is_new(waiter)
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2] - redis.call('ZSCORE', queue, waiter) < NEW * 1000
end

-- Makes a waiter check the lock after this many ms. Returns whether it receives the call.
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

-- Makes the first waiter that receives the call check after this many ms, so that the end of a
-- lease is noticed. A waiter that does not receive it is new, or gone, or will come again.
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

-- Hands a free lock to the first waiter, unless that is the caller. Returns whether it did.
local function hand_over()
  local waiter = first()
  while waiter and waiter ~= token do
    local kept_for = call(waiter, 0) and handover or is_new(waiter) and NEW
    redis.call('ZREM', queue, waiter)
    if kept_for then
      -- A full server stores nothing; the waiter then acquires the lock like any other caller.
      local kept = redis.pcall('SET', lock, waiter, 'PX', kept_for)
      call_first(kept_for)
      return not kept.err
    end
    waiter = first()
  end
  return false
end
