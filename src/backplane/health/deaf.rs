//! Which connections that receive cannot be had, though the one for calls is there: a server that is
//! full, or lets nobody in any more.

use std::collections::HashMap;

use std::time::SystemTime;

use crate::mutex::{Mutex, MutexGuard};

/// Why, and since when, by the numbers of the pub/sub connections.
#[derive(Default)]
pub struct DeafConnections(Mutex<HashMap<u64, (String, SystemTime)>>);

impl DeafConnections {
    /// Whether that is news: all others hear.
    pub fn add(&self, pubsub_connection: u64, reason: &str) -> bool {
        let mut all = self.all();
        let is_news = all.is_empty();
        let (why, _) = all
            .entry(pubsub_connection)
            .or_insert_with(|| (String::new(), SystemTime::now()));
        reason.clone_into(why);
        is_news
    }

    pub fn remove(&self, pubsub_connection: u64) {
        self.all().remove(&pubsub_connection);
    }

    /// Of the one that has not heard for the longest time.
    pub fn longest(&self) -> Option<(String, SystemTime)> {
        self.all().values().min_by_key(|(_, since)| *since).cloned()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<u64, (String, SystemTime)>> {
        self.0.lock()
    }
}
