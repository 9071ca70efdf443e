-- Hands a lock to the next waiter, or frees it, if the caller holds it; and removes the caller from
-- the queue. Returns 1 if it held the lock, else 0. O(log waiters).
-- A holder is not in the queue.
if holder() == token then
  if not hand_over() then
    redis.call('DEL', lock)
  end
  return 1
end

local was_first = first() == token
if redis.call('ZREM', queue, token) == 1 and was_first then
  local left = redis.call('PTTL', lock)
  call_first(math.max(left, 0))
end
return 0
