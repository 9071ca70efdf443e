//! A socket as this process knows it.

use std::sync::Arc;
use std::time::Duration;

use super::FOR_EVER;
use crate::store::Ttl;
use crate::store::presence::{Condition, Detail, Place, Present, Record, Socket};

/// The order of requests in this process: the later one wins.
#[derive(Clone, Copy, Debug)]
pub struct SocketOrder {
    pub(super) number: u64,
    /// By the clock.
    pub(super) at: u64,
}

/// A socket of this process.
#[derive(Clone, Debug)]
pub struct OwnSocket {
    pub socket: Arc<Socket>,
    pub(super) order: SocketOrder,
    /// The server's version, or one made here during an outage.
    pub version: u64,
    /// By the clock; `None`: with the process.
    pub(super) ends: Option<u64>,
    /// By the clock: when the server last received it.
    pub(super) heard: u64,
    pub(super) heard_in: SocketOrder,
    pub(super) seen_at_ms: u64,
    pub doubt: Doubt,
    /// How often all sockets had come into doubt when the server heard of it.
    pub(super) doubts: u64,
}

/// Whether the server has a socket as it is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    None,
    /// It had it; it may have lost it.
    Lost,
    /// It was set while the server was unavailable.
    Unheard,
}

/// The placement of a socket on the server, and how long it lasts.
#[derive(Clone, Copy)]
pub struct Standing {
    pub order: SocketOrder,
    pub version: u64,
    /// `None`: with the process.
    pub ttl: Option<Ttl>,
    pub doubt: Doubt,
}

impl OwnSocket {
    /// The condition under which it may be set on the server again.
    pub fn condition(&self) -> Condition {
        match self.doubt {
            Doubt::Unheard => Condition::Always,
            Doubt::None | Doubt::Lost => Condition::Since {
                version: self.version,
                or_lost: true,
            },
        }
    }

    pub(super) fn is_alive(&self, now: u64) -> bool {
        self.ends.is_none_or(|ends| now < ends)
    }

    pub(super) fn is_at(&self, place: Place<'_>) -> bool {
        match place {
            Place::User(user) => *self.socket.user == *user,
            Place::Room(room) => self.socket.rooms.iter().any(|its| **its == *room),
        }
    }

    pub(super) fn present(&self, place: Place<'_>, now: u64, detail: Detail) -> Present {
        let left = self
            .ends
            .map(|ends| Duration::from_millis(ends.saturating_sub(now)));
        let record = || Record {
            version: self.version,
            seen_at_ms: self.seen_at_ms,
            left: left.unwrap_or(FOR_EVER),
            metadata: self.socket.metadata_at(place),
        };
        Present {
            user: (&*self.socket.user).into(),
            socket: (&*self.socket.id).into(),
            lease: None,
            record: (detail == Detail::Records).then(record),
        }
    }
}
