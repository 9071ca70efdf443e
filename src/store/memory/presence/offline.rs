//! Setting and removing while the server is unavailable, when this process decides.

use std::sync::Arc;

use super::MemoryRoster;
use super::index::RemovedSocket;
use super::own_socket::{Doubt, OwnSocket, Standing};
use crate::store::Ttl;
use crate::store::presence::{Condition, Socket};

/// How long a removal is remembered, so that no refresh restores the socket.
const REMOVED_MS: u64 = 60_000;

impl MemoryRoster {
    /// Sets a socket and notifies listeners. `None`: the condition does not hold, or there is no
    /// room.
    pub fn set_now(
        &self,
        socket: Arc<Socket>,
        ttl: Option<Ttl>,
        condition: Condition,
    ) -> Option<u64> {
        let before = self.find(&socket.id);
        if !self.may_set(&socket, before.as_ref(), condition) {
            return None;
        }
        let standing = Standing {
            order: self.order(),
            version: self.next_version(&socket.id, before.as_ref()),
            ttl,
            doubt: Doubt::Unheard,
        };
        if !self.keep(socket.clone(), standing) {
            return None;
        }
        if let Some(before) = &before {
            self.tell_moved(before, &socket, standing.version);
        }
        self.tell_set(before.as_ref(), &socket, standing);
        Some(standing.version)
    }

    /// Removes a socket if it belongs to that user, and notifies listeners. Returns the version of
    /// the removal.
    pub fn remove_now(&self, user: &str, id: &str) -> u64 {
        let (known, now) = (self.find(id), self.clock.now_ms());
        let version = self.next_version(id, known.as_ref());
        let is_anothers = |kept: &OwnSocket| kept.is_alive(now) && &*kept.socket.user != user;
        if known.as_ref().is_some_and(is_anothers) {
            return version;
        }
        let removed = RemovedSocket {
            version,
            order: self.order(),
            until: now + REMOVED_MS,
        };
        let mut book = self.book();
        book.remove(id);
        book.remember_removed(id, removed);
        drop(book);
        if let Some(known) = known {
            self.remember(&known);
            self.tell_left(&known, version);
        }
        version
    }

    fn may_set(&self, socket: &Socket, before: Option<&OwnSocket>, condition: Condition) -> bool {
        let Condition::Since { version, or_lost } = condition else {
            return true;
        };
        let now = self.clock.now_ms();
        match before.filter(|before| before.is_alive(now)) {
            Some(before) => before.version <= version || before.socket.claim == socket.claim,
            None => or_lost && self.book().removed(&socket.id).is_none(),
        }
    }

    fn next_version(&self, id: &str, before: Option<&OwnSocket>) -> u64 {
        let removed = self.book().removed(id).map_or(0, |removed| removed.version);
        let known = before.map_or(0, |before| before.version).max(removed);
        (known + 1).max(self.clock.epoch_ms() * 1000)
    }
}
