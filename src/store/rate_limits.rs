//! Rate limits: the operations of a store and their arithmetic, which is the same on both stores:
//! here for the one in memory, in `redis/lua/rate_limit_*.lua` for Redis.
//!
//! Times are milliseconds of the store's own clock. All sums are whole numbers, so that rounding
//! never allows one request too many. On Redis, whose scripts count in doubles, this holds as long
//! as limit × window is below 2^53.

use std::future::Future;

use super::{Key, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Counts from the first request on, until the window has passed.
    FixedWindow,
    /// Counts the current window and the part of the previous one that is less than a window ago
    /// (the "sliding window counter", as Cloudflare described it in 2017).
    SlidingWindow,
    /// A bucket that holds the limit and refills evenly within a window. Stored as in the generic
    /// cell rate algorithm (ITU-T I.371), multiplied out: as what is owed, in tokens × ms.
    TokenBucket,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub algorithm: Algorithm,
    pub limit: u64,
    pub window_ms: u64,
}

/// The outcome of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub allowed: bool,
    /// The current count, including this request if it was allowed; rounded up.
    pub count: u64,
    /// How much would still be allowed now; rounded down.
    pub remaining: u64,
    /// When the count is back at zero, if no more requests come: by the store's clock, ms since
    /// 1970.
    pub reset_at_ms: u64,
    /// How long until a request of this cost may be allowed; 0 if it was. A cost above the limit is
    /// never allowed, and gets a full window.
    pub retry_after_ms: u64,
}

pub trait Limiter: Send + Sync {
    /// Counts `cost` if it fits; a denied request changes nothing. O(1).
    ///
    /// Must not be done twice: a caller that has lost the answer does not know whether it was
    /// counted.
    fn check(
        &self,
        key: &Key,
        rule: Rule,
        cost: u64,
    ) -> impl Future<Output = Result<Verdict>> + Send;

    /// Resets the count. O(1).
    fn reset(&self, key: &Key) -> impl Future<Output = Result<()>> + Send;
}

/// What is stored for a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Windows: when the current one began. Bucket: when `counted` was valid.
    since: u64,
    /// Windows: requests in the current one. Bucket: what is owed, tokens × ms.
    counted: u128,
    /// Sliding window: requests in the previous window.
    before: u128,
}

impl Tally {
    /// Nothing has been counted.
    pub fn begun(now: u64) -> Self {
        Self {
            since: now,
            ..Self::default()
        }
    }
}

impl Rule {
    /// Checks a request at `now`. Returns the tally that has to be stored if it is allowed.
    pub fn check(&self, tally: Tally, now: u64, cost: u64) -> (Verdict, Tally) {
        let current = self.current(tally, now);
        let mut counted = current;
        counted.counted += match self.algorithm {
            Algorithm::TokenBucket => u128::from(cost) * u128::from(self.window_ms),
            _ => u128::from(cost),
        };
        let allowed = cost <= self.limit && self.used(counted, now) <= self.capacity();
        let then = if allowed { counted } else { current };
        let used = self.used(then, now);
        let verdict = Verdict {
            allowed,
            count: used.div_ceil(u128::from(self.window_ms)) as u64,
            remaining: (self.capacity().saturating_sub(used) / u128::from(self.window_ms)) as u64,
            reset_at_ms: now + self.reset_ms(then, now),
            retry_after_ms: match allowed {
                true => 0,
                false if cost > self.limit => self.window_ms,
                false => self.retry_after_ms(current, now, cost),
            },
        };
        (verdict, then)
    }

    /// How long until the count is back at zero.
    fn reset_ms(&self, tally: Tally, now: u64) -> u64 {
        let elapsed = now - tally.since;
        match self.algorithm {
            Algorithm::TokenBucket => tally.counted.div_ceil(u128::from(self.limit)) as u64,
            Algorithm::SlidingWindow if tally.counted > 0 => 2 * self.window_ms - elapsed,
            _ if tally.counted == 0 && tally.before == 0 => 0,
            _ => self.window_ms - elapsed,
        }
    }

    /// The tally as it is at `now`. A clock that was set back ends nothing and gives nothing away:
    /// previous requests count from now on.
    fn current(&self, tally: Tally, now: u64) -> Tally {
        let since = tally.since.min(now);
        let elapsed = now - since;
        let passed = elapsed / self.window_ms;
        match (self.algorithm, passed) {
            (Algorithm::TokenBucket, _) => Tally {
                since: now,
                counted: tally
                    .counted
                    .saturating_sub(u128::from(elapsed) * u128::from(self.limit)),
                before: 0,
            },
            (_, 0) => Tally { since, ..tally },
            (Algorithm::SlidingWindow, 1) => Tally {
                since: since + self.window_ms,
                counted: 0,
                before: tally.counted,
            },
            _ => Tally {
                since: now,
                counted: 0,
                before: 0,
            },
        }
    }

    /// Everything that is allowed at once, in requests × ms.
    fn capacity(&self) -> u128 {
        u128::from(self.limit) * u128::from(self.window_ms)
    }

    /// How much of it is used.
    fn used(&self, tally: Tally, now: u64) -> u128 {
        let window = u128::from(self.window_ms);
        match self.algorithm {
            Algorithm::TokenBucket => tally.counted,
            Algorithm::FixedWindow => tally.counted * window,
            Algorithm::SlidingWindow => {
                let left = window - u128::from(now - tally.since);
                tally.counted * window + tally.before * left
            }
        }
    }

    /// For a request that was denied although it could fit.
    fn retry_after_ms(&self, tally: Tally, now: u64, cost: u64) -> u64 {
        let left = self.window_ms - (now - tally.since);
        let window = u128::from(self.window_ms);
        match self.algorithm {
            Algorithm::FixedWindow => left,
            Algorithm::TokenBucket => {
                let too_much = tally.counted + u128::from(cost) * window;
                (too_much - self.capacity()).div_ceil(u128::from(self.limit)) as u64
            }
            Algorithm::SlidingWindow => {
                let free = u128::from(self.limit - cost) * window;
                match free.checked_sub(tally.counted * window) {
                    // Once less of the previous window counts.
                    Some(room) => left - (room / tally.before) as u64,
                    // Once the current window is the previous one, and less of that counts.
                    None => left + self.window_ms - (free / tally.counted) as u64,
                }
            }
        }
    }
}
