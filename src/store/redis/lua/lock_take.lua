-- Acquires a lock that is free or already held by the caller: after a lost answer it may ask again.
--
-- ARGV[4]  the lease, ms
-- ARGV[5]  the caller's place in the queue; 0: the next one; empty: it does not wait
-- ARGV[6]  the greatest fence that the caller's process knows
-- Returns the fence. For a lock that is held: {the holder's remaining ms (below 0: not known), the
-- caller's place}. O(log waiters).
local lease, place = ARGV[4], ARGV[5]
local taken, somebody_waits = redis.call('SET', lock, token, 'NX', 'PX', lease), first()

if not taken then
  taken = holder() == token and redis.call('PEXPIRE', lock, lease) == 1
elseif somebody_waits then
  taken = not hand_over()
end

if taken then
  local time = redis.call('TIME')
  local last = tonumber(redis.pcall('GET', fence))
  if not (last and last < 2 ^ 52) then
    -- Any other value is not a fence.
    last = 0
  end
  local next = math.max(last + 1, ARGV[6] + 1, time[1] * 1000000 + time[2])
  redis.call('SET', fence, string.format('%.0f', next), 'PX', lease + FENCE_OUTLIVES)
  if somebody_waits then
    redis.call('ZREM', queue, token)
    call_first(lease)
  end
  return next
end

if place == '0' then
  local time = redis.call('TIME')
  local last = redis.call('ZRANGE', queue, -1, -1, 'WITHSCORES')[2] or 0
  place = string.format('%.0f', math.max(last + 1, time[1] * 1000000 + time[2]))
end
if place ~= '' then
  redis.call('ZADD', queue, 'NX', place, token)
  -- Waiters return more often than this.
  redis.call('PEXPIRE', queue, 60000)
end
return {redis.call('PTTL', lock), tonumber(place) or 0}
