//! The fences that this process knows: no lock gets a fence below one that was given out here.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::mutex::{Mutex, MutexGuard};

/// In 2112: a clock beyond it is wrong and would leave no room in a JavaScript number.
const LATEST: u64 = 1 << 52;

#[derive(Default)]
pub struct Fences(Mutex<KnownFences>);

#[derive(Default)]
struct KnownFences {
    greatest: u64,
    /// The last fence from Redis, and when it came. Fences there follow the server's clock, in µs.
    from_redis: Option<(u64, Instant)>,
}

impl Fences {
    /// The greatest fence given out here.
    pub fn greatest(&self) -> u64 {
        self.known().greatest
    }

    /// The fence that Redis would give out next, as far as that can be estimated without it. This
    /// process's own clock is used only if Redis was never asked.
    pub fn estimate(&self) -> u64 {
        let known = self.known();
        let now = match known.from_redis {
            Some((fence, at)) => fence + at.elapsed().as_micros() as u64,
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                since.unwrap_or_default().as_micros() as u64
            }
        };
        now.min(LATEST).max(known.greatest)
    }

    pub fn given(&self, fence: u64, by_redis: bool) {
        let mut known = self.known();
        known.greatest = known.greatest.max(fence);
        if by_redis {
            known.from_redis = Some((fence, Instant::now()));
        }
    }

    fn known(&self) -> MutexGuard<'_, KnownFences> {
        self.0.lock()
    }
}
