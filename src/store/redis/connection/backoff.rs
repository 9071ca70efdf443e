//! How long to wait before the next attempt: exponential with full jitter ("Exponential Backoff And
//! Jitter", AWS Architecture Blog, 2015), from 50 ms to 3 s, forever.

use std::time::Duration;

const FIRST_MS: u64 = 50;
const LAST_MS: u64 = 3_000;

#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Jumps to the longest wait: this failure needs a person, not another try.
    pub fn slow_down(&mut self) {
        self.failures = 16;
    }

    /// Between half of the current bound and the bound, so that many processes spread out.
    pub fn next_wait(&mut self) -> Duration {
        let bound = (FIRST_MS << self.failures.min(16)).min(LAST_MS);
        self.failures = self.failures.saturating_add(1);
        Duration::from_millis(fastrand::u64(bound / 2..=bound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_bound_and_starts_again() {
        let mut backoff = Backoff::default();
        assert!(backoff.next_wait() <= Duration::from_millis(50));
        for _ in 0..1_000 {
            assert!(backoff.next_wait() <= Duration::from_secs(3));
        }
        assert!(backoff.next_wait() >= Duration::from_millis(1_500));
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_millis(50));
    }
}
