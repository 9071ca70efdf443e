//! Messages, counted since the backplane was created.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Default)]
pub struct PubsubStats {
    published: AtomicU64,
    received: AtomicU64,
    /// Received messages that had to be dropped before anybody took them.
    dropped: AtomicU64,
    gaps: AtomicU64,
}

impl PubsubStats {
    pub fn published(&self) {
        self.published.fetch_add(1, Ordering::Relaxed);
    }

    pub fn received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    pub fn dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// A subscriber was told that messages may have been missed.
    pub fn gap(&self) {
        self.gaps.fetch_add(1, Ordering::Relaxed);
    }

    /// Published, received, dropped, gaps.
    pub fn numbers(&self) -> [u64; 4] {
        [&self.published, &self.received, &self.dropped, &self.gaps]
            .map(|count| count.load(Ordering::Relaxed))
    }
}
