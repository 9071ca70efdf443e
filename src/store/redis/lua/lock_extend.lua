-- Makes the caller's lease end after this many ms from now, if it still exists.
--
-- ARGV[4]  the lease, ms
-- Returns 1 or 0. O(log waiters).
if holder() ~= token then
  return 0
end
redis.call('PEXPIRE', lock, ARGV[4])
redis.call('PEXPIRE', fence, ARGV[4] + FENCE_OUTLIVES)
call_first(ARGV[4])
return 1
