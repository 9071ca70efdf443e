//! Writes of large values, on the lane for long work, in order with the other calls of the key.
//!
//! Two lanes keep no order between them. So a large write first lets the lane for calls answer
//! all that was sent before it, and later calls of the same key take their places behind it.

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

/// What a call may take beyond its deadline to undo what it had begun.
const CALL_BACK: Duration = Duration::from_millis(80);

/// The keys with a large write under way.
pub type LargeWrites = KeyedMutex<Key>;

impl RedisStore {
    /// Does `work`, which tells something, on `key` after the large writes of it that came before, however
    /// long they take: each of them ends. Whoever waits for the answer has it told in time.
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

    /// Runs `work`, which asks for something, on `key` after the large writes of it that came before.
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

    /// Waits while what is before it moves.
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

    /// For whoever has the turn at the key.
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
        // So many of them are copied one by one, and not before what has been answered meanwhile is looked at.
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
        // Whole: the script is nothing beside what is large, which would be sent twice if it was not there.
        let whole = || lua.whole(keys, args);
        self.link.bulk_again(bytes, whole).await
    }

    /// Makes sure that a write that got no answer has no effect any more, or takes the server as
    /// away.
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
