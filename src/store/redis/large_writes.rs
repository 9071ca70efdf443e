//! Writes of large values, on the lane for long work, in order with the other calls of the key.
//!
//! There is no order between two lanes. So a large write first lets the lane for calls answer
//! everything that was sent before it, and later calls of the same key wait behind it.

use std::hash::Hash;
use std::time::Duration;

use redis::{Value, cmd};
use tokio::sync::MutexGuard;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

use super::connection::deadline::patient;
use super::script::Lua;
use super::{RedisStore, command, write};
use crate::store::keyed_mutex::{KeyTicket, KeyedMutex};
use crate::store::{Json, Key, Result, StoreError, Ttl};

/// How long a call may take beyond its deadline to undo what it had begun.
const CALL_BACK: Duration = Duration::from_millis(80);

/// The keys with a large write in progress.
pub type LargeWrites = KeyedMutex<Key>;

impl RedisStore {
    /// Runs `work`, which changes something, on `key` after the earlier large writes of it, however
    /// long they take: each of them ends. The waiting caller is answered in time.
    pub(super) async fn told_in_turn<T>(
        &self,
        key: &Key,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        if !self.large.has(key) {
            return work.await;
        }
        let place = self.large.place(key);
        let _turn = self.turn(&place).await;
        work.await
    }

    /// Runs `work`, which asks something, on `key` after the earlier large writes of it.
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
            let _turn = self.turn(&place).await;
            work.await
        };
        let (by, deadline) = (self.deadline(), self.link.command_timeout());
        patient(by, deadline, in_turn).await
    }

    /// Waits while the data ahead of it moves.
    pub(super) async fn turn<'a, K: Clone + Eq + Hash>(
        &self,
        place: &'a KeyTicket<'_, K>,
    ) -> MutexGuard<'a, ()> {
        match place.turn_now() {
            Some(turn) => turn,
            None => {
                let _waits = self.link.waits_for_bulk();
                place.turn().await
            }
        }
    }

    /// `false`: it took too long, and now there is nothing under the key.
    pub(super) async fn write_large(&self, key: &Key, value: Json, ttl: Ttl) -> Result<bool> {
        let place = self.large.place(key);
        let _turn = self.turn(&place).await;
        self.write_in_turn(key, value, ttl, self.deadline()).await
    }

    /// For the holder of the turn at the key.
    pub(super) async fn write_in_turn(
        &self,
        key: &Key,
        value: Json,
        ttl: Ttl,
        by: Instant,
    ) -> Result<bool> {
        let deadline = self.link.command_timeout();
        let write = || write(key, &value, ttl.as_millis());
        if self.link.calls.has_room_for(value.len()) {
            let written = self.link.calls.query_of(value.len(), write());
            return written.await.map(|_| true);
        }
        // What was sent before it on the other lane comes first.
        let before = self.link.calls.query(cmd("PING"));
        match patient(by, deadline, before).await {
            Err(StoreError::TimedOut) => {
                self.link.declare_dead();
                return Err(StoreError::Lost);
            }
            answer => answer?,
        };
        // When there are many, they are copied one by one, after the answers that arrived meanwhile
        // have been handled.
        yield_now().await;
        let written = self.link.bulk_again(value.len(), write);
        match patient(by, deadline, written).await {
            Err(StoreError::TimedOut) => self.call_back(key).await.map(|()| false),
            answer => answer.map(|_| true),
        }
    }

    /// Runs a script that may run twice; one with large arguments on the lane for long work.
    pub(super) async fn script(&self, lua: &Lua, keys: &[&Key], args: &[&[u8]]) -> Result<Value> {
        let bytes = args.iter().map(|arg| arg.len()).sum();
        if self.link.calls.has_room_for(bytes) {
            return self.link.calls.script(lua, keys, args).await;
        }
        Box::pin(self.script_apart(lua, keys, args)).await
    }

    /// On the lane for long work, whatever its arguments are.
    pub(super) async fn script_apart(
        &self,
        lua: &Lua,
        keys: &[&Key],
        args: &[&[u8]],
    ) -> Result<Value> {
        let bytes = args.iter().map(|arg| arg.len()).sum();
        // In full: the script is small beside its large arguments, which would be sent twice if the
        // server did not have the script.
        let whole = || lua.whole(keys, args);
        self.link.bulk_again(bytes, whole).await
    }

    /// Makes sure that a write without an answer has no effect any more, or marks the server as
    /// unavailable.
    async fn call_back(&self, key: &Key) -> Result<()> {
        let undo = async {
            self.link.give_up_bulk().await;
            let unlink = command(&[self.link.unlink().as_bytes(), key.as_bytes()]);
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
