//! Time that only moves forward, and that a test can control.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[derive(Clone, Debug)]
pub enum Clock {
    /// Milliseconds since the clock was made, monotonic.
    System(Instant),
    Manual(Arc<AtomicU64>),
}

impl Clock {
    pub fn system() -> Self {
        Self::System(Instant::now())
    }

    pub fn manual() -> Self {
        Self::Manual(Arc::default())
    }

    pub fn now_ms(&self) -> u64 {
        match self {
            Self::System(start) => start.elapsed().as_millis() as u64,
            Self::Manual(now) => now.load(Ordering::Relaxed),
        }
    }

    /// Milliseconds since 1970, for humans; a manual clock begins there.
    pub fn epoch_ms(&self) -> u64 {
        match self {
            Self::System(_) => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                since.unwrap_or_default().as_millis() as u64
            }
            Self::Manual(_) => self.now_ms(),
        }
    }

    /// Moves a manual clock; the system's cannot be moved.
    pub fn advance(&self, ms: u64) {
        if let Self::Manual(now) = self {
            now.fetch_add(ms, Ordering::Relaxed);
        }
    }
}
