//! Notifies listeners in this process.

use std::collections::HashSet;

use super::own_socket::{OwnSocket, Standing};
use super::{FOR_EVER, MemoryRoster};
use crate::store::Ttl;
use crate::store::presence::{Place, RoomEvent, Socket};

impl MemoryRoster {
    /// Notifies the places that a socket has left.
    pub(super) fn tell_moved(&self, before: &OwnSocket, now: &Socket, version: u64) {
        let is_anothers = before.socket.user != now.user;
        if is_anothers {
            self.remember(before);
        }
        let rooms: HashSet<_> = now.rooms.iter().collect();
        for room in &before.socket.rooms {
            if is_anothers || !rooms.contains(room) {
                self.tell_room_left(room, &before.socket, version);
            }
        }
    }

    /// Notifies the places where a socket is new or has changed.
    pub(super) fn tell_set(&self, before: Option<&OwnSocket>, now: &Socket, standing: Standing) {
        let time = self.clock.now_ms();
        let is_same = before.is_some_and(|before| {
            let socket = &before.socket;
            before.is_alive(time) && socket.user == now.user && socket.metadata == now.metadata
        });
        if is_same {
            return;
        }
        for room in &now.rooms {
            let text = || {
                let event = RoomEvent::Is {
                    user: (&*now.user).into(),
                    socket: (&*now.id).into(),
                    lease: None,
                    version: standing.version,
                    left: standing.ttl.map_or(FOR_EVER, Ttl::as_duration),
                    metadata: now.metadata_at(Place::Room(room)),
                };
                event.text()
            };
            (self.on_room_event)(room, &text);
        }
    }

    pub(super) fn tell_left(&self, kept: &OwnSocket, version: u64) {
        for room in &kept.socket.rooms {
            self.tell_room_left(room, &kept.socket, version);
        }
    }

    fn tell_room_left(&self, room: &str, socket: &Socket, version: u64) {
        let text = || {
            let event = RoomEvent::Left {
                user: (&*socket.user).into(),
                socket: (&*socket.id).into(),
                version,
            };
            event.text()
        };
        (self.on_room_event)(room, &text);
    }
}
