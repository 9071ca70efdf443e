//! Writes of large values, on the lane for long work, in order with the other calls of the key.
//!
//! Two lanes keep no order between them. So a large write first lets the lane for calls answer
//! all that was sent before it, and later calls of the same key take their places behind it.

use std::time::Duration;

use redis::{Cmd, Value, cmd};
use tokio::time::{Instant, timeout, timeout_at};

use super::{RedisStore, command};
use crate::store::gates::Gates;
use crate::store::{Key, Result, StoreError};

/// What a call may take beyond its deadline to undo what it had begun.
const CALL_BACK: Duration = Duration::from_millis(80);

/// The keys with a large write under way.
pub type LargeWrites = Gates<Key>;

impl RedisStore {
    /// Runs `work` on `key` after the large writes of it that came before.
    pub(super) async fn in_turn<T>(
        &self,
        key: &Key,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        if !self.large.has(key) {
            return work.await;
        }
        let place = self.large.place(key);
        let in_turn = async {
            let _turn = place.turn().await;
            work.await
        };
        timeout(self.link.command_timeout(), in_turn)
            .await
            .unwrap_or(Err(StoreError::TimedOut))
    }

    /// `false`: it took too long, and now there is nothing under the key.
    pub(super) async fn write_large(&self, key: &Key, write: Cmd) -> Result<bool> {
        let place = self.large.place(key);
        let deadline = Instant::now() + self.link.command_timeout();
        let before = async {
            let turn = place.turn().await;
            self.link
                .calls
                .query(cmd("PING"))
                .await
                .map(|_: Value| turn)
        };
        let Ok(before) = timeout_at(deadline, before).await else {
            self.link.declare_dead();
            return Err(StoreError::Lost);
        };
        let _turn = before?;
        match timeout_at(deadline, self.link.bulk(write)).await {
            Ok(answer) => answer.map(|_| true),
            Err(_) => self.call_back(key).await.map(|()| false),
        }
    }

    /// Makes sure that a write that got no answer has no effect any more, or takes the server as
    /// away.
    async fn call_back(&self, key: &Key) -> Result<()> {
        let undo = async {
            self.link.give_up_bulk().await;
            let unlink = command(&[b"UNLINK", key.as_bytes()]);
            self.link.calls.query(unlink).await
        };
        match timeout(CALL_BACK, undo).await {
            Ok(answer) => answer.map(|_| ()),
            Err(_) => {
                self.link.declare_dead();
                Err(StoreError::Lost)
            }
        }
    }
}
