//! Writes of large values, on the lane for long work, in order with the other calls of the key.
//!
//! Two lanes keep no order between them. So a large write first lets the lane for calls answer
//! all that was sent before it, and later calls of the same key wait until it is done.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::{Cmd, Value, cmd};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::RedisStore;
use crate::store::{Key, Result, StoreError};

#[derive(Default)]
pub struct LargeWrites {
    running: AtomicUsize,
    by_key: Mutex<HashMap<Key, Arc<Running>>>,
}

#[derive(Default)]
struct Running {
    writes: AtomicUsize,
    done: Notify,
}

impl LargeWrites {
    pub fn is_idle(&self) -> bool {
        self.running.load(Ordering::Relaxed) == 0
    }

    /// Returns when no large write of `key` is under way.
    pub async fn finished(&self, key: &Key) {
        loop {
            let Some(running) = self.lock().get(key).cloned() else {
                return;
            };
            running.done.notified().await;
        }
    }

    fn begin(&self, key: &Key) -> Guard<'_> {
        self.running.fetch_add(1, Ordering::Relaxed);
        let running = self.lock().entry(key.clone()).or_default().clone();
        running.writes.fetch_add(1, Ordering::Relaxed);
        Guard {
            all: self,
            key: key.clone(),
            running,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Running>>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Guard<'a> {
    all: &'a LargeWrites,
    key: Key,
    running: Arc<Running>,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.all.running.fetch_sub(1, Ordering::Relaxed);
        if self.running.writes.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.all.lock().remove(&self.key);
            self.running.done.notify_waiters();
        }
    }
}

impl RedisStore {
    /// Sends a command when no large write of its key is under way any more.
    pub(super) async fn query_in_turn(&self, key: &Key, command: Cmd) -> Result<Value> {
        let in_turn = async {
            self.large.finished(key).await;
            self.link.calls.query(command).await
        };
        timeout(self.link.command_timeout(), in_turn)
            .await
            .unwrap_or(Err(StoreError::TimedOut))
    }

    /// `false`: it is not known whether the write took effect.
    pub(super) async fn write_large(&self, key: &Key, command: Cmd) -> Result<bool> {
        let _guard = self.large.begin(key);
        let write = async {
            self.link.calls.query(cmd("PING")).await?;
            self.link.bulk(command).await
        };
        match timeout(self.link.command_timeout(), write).await {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(StoreError::TimedOut)) | Err(_) => Ok(false),
            Ok(Err(error)) => Err(error),
        }
    }
}
