//! Receiving connections that cannot be opened although the connection for calls works: the server
//! is full, or accepts no further connection.

use std::collections::HashMap;

use std::time::SystemTime;

use crate::mutex::{Mutex, MutexGuard};

/// The reason and the start time, by pub/sub connection number.
#[derive(Default)]
pub struct DeafConnections(Mutex<HashMap<u64, (String, SystemTime)>>);

impl DeafConnections {
    /// Returns whether this is news: all other feeds receive.
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

    /// Of the feed that has been unable to receive for the longest time.
    pub fn longest(&self) -> Option<(String, SystemTime)> {
        self.all().values().min_by_key(|(_, since)| *since).cloned()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<u64, (String, SystemTime)>> {
        self.0.lock()
    }
}
