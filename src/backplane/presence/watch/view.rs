//! One room as reported so far, and how it changes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::signals::{Inbox, Signal};
use crate::backplane::Backplane;
use crate::backplane::pubsub::mailbox::{Mail, Mailbox};
use crate::io_thread::panics::{Panicked, caught};
use crate::store::Json;
use crate::store::memory::budget::{Account, allocated, slot};
use crate::store::presence::{Detail, Place, Present, ProcessLease, Record, RoomEvent};
use crate::store::remote::Remote;
use crate::store::topics::{Message, SubscriptionTag};

/// How long a socket may be missing without a reason before it counts as having left: after an
/// outage every process sets its sockets again.
const GRACE: Duration = Duration::from_secs(5);
/// The minimum interval between two reads of a room.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// A user and one of its sockets.
type UserSocket = (Box<str>, Box<str>);

/// The sockets in a room, as reported so far.
pub struct RoomView<R: Remote> {
    backplane: Arc<Backplane<R>>,
    room: Box<str>,
    tag: SubscriptionTag,
    mailbox: Arc<Mailbox>,
    there: HashMap<UserSocket, SeenSocket>,
    account: Account,
    /// Counted there.
    bytes: u64,
    /// When the last outage ended, if there was one.
    whole_since: Option<Instant>,
    look_at: Instant,
}

struct SeenSocket {
    version: u64,
    lease: Option<ProcessLease>,
    metadata: Json,
    ends: Instant,
    missing_since: Option<Instant>,
}

impl<R: Remote> RoomView<R> {
    pub fn new(
        backplane: Arc<Backplane<R>>,
        room: &str,
        tag: SubscriptionTag,
        mailbox: Arc<Mailbox>,
    ) -> Self {
        let account = backplane.presence.watches_account.clone();
        let bytes = own_bytes::<R>(room);
        account.add(bytes);
        Self {
            backplane,
            account,
            bytes,
            room: room.into(),
            tag,
            mailbox,
            there: HashMap::new(),
            whole_since: None,
            look_at: Instant::now(),
        }
    }

    /// Runs until the watch ends. `ready`: every change is reported from now on. `begun`: when the
    /// watch was requested; the deadline of its first read counts from then.
    pub async fn keep(mut self, mut signals: Inbox, ready: oneshot::Sender<()>, begun: Instant) {
        // What was reported before is part of what is found now.
        signals.skip();
        self.begin(begun).await;
        let _ = ready.send(());
        loop {
            match caught(self.turn(&mut signals)).await {
                Ok(true) => {}
                Ok(false) => return,
                // What was reported may be wrong: a read corrects it.
                Err(Panicked) => {
                    self.backplane.say_failed("what watches a room");
                    self.look_at = Instant::now() + LOOK_AGAIN;
                }
            }
        }
    }

    /// Returns whether the watch continues.
    async fn turn(&mut self, signals: &mut Inbox) -> bool {
        tokio::select! {
            biased;
            signal = signals.take() => match signal {
                Some(Signal::News(text)) => self.hear(&text),
                Some(Signal::Back) => {
                    self.whole_since = Some(Instant::now());
                    self.look().await;
                }
                Some(Signal::Missed) => self.look().await,
                Some(Signal::LeaseEnded) if self.depends_on_ended() => self.look().await,
                Some(Signal::LeaseEnded) => {}
                None => return false,
            },
            () = sleep_until(self.look_at) => self.look().await,
        }
        true
    }

    /// A socket that is present at the beginning has not joined.
    async fn begin(&mut self, begun: Instant) {
        let (there, is_whole) = self.list(begun).await;
        for (id, seen) in there.into_iter().filter_map(seen) {
            self.keep_there(id, seen);
        }
        self.look_later(is_whole);
    }

    async fn list(&self, begun: Instant) -> (Vec<Present>, bool) {
        let place = Place::Room(&self.room);
        self.backplane
            .presence_list(place, Detail::Records, begun.into_std())
            .await
    }

    /// Reports the differences from the view. Notifications that arrive meanwhile are handled
    /// afterwards.
    async fn look(&mut self) {
        let (there, is_whole) = self.list(Instant::now()).await;
        let mut found = HashSet::new();
        for (id, seen) in there.into_iter().filter_map(seen) {
            found.insert(id.clone());
            self.see(id, seen);
        }
        if is_whole {
            self.miss(&found);
        }
        self.look_later(is_whole);
    }

    fn hear(&mut self, text: &Bytes) {
        match RoomEvent::parse(text) {
            Some(RoomEvent::Is {
                user,
                socket,
                lease,
                version,
                left,
                metadata,
            }) => {
                let seen = SeenSocket {
                    version,
                    lease,
                    metadata,
                    ends: end(left),
                    missing_since: None,
                };
                // Nobody reports again for a process lease that has ended.
                let has_ended = self.backplane.presence.leases.has_ended(lease);
                let until = if has_ended {
                    Instant::now() + LOOK_AGAIN
                } else {
                    seen.ends
                };
                self.look_at = self.look_at.min(until);
                self.see((user, socket), seen);
            }
            Some(RoomEvent::Left {
                user,
                socket,
                version,
            }) => {
                let id = (user, socket);
                if self
                    .there
                    .get(&id)
                    .is_some_and(|seen| seen.version <= version)
                {
                    self.leave(&id);
                }
            }
            None => {}
        }
    }

    fn see(&mut self, id: UserSocket, seen: SeenSocket) {
        let kind = match self.there.get(&id) {
            None => Some("join"),
            Some(known) if known.version > seen.version => return,
            Some(known) if known.metadata != seen.metadata => Some("update"),
            Some(_) => None,
        };
        if let Some(kind) = kind {
            self.tell(kind, &id, &seen.metadata);
        }
        self.keep_there(id, seen);
    }

    fn keep_there(&mut self, id: UserSocket, seen: SeenSocket) {
        self.forget(&id);
        let bytes = bytes(&id, &seen);
        self.bytes += bytes;
        self.account.add(bytes);
        self.there.insert(id, seen);
    }

    fn forget(&mut self, id: &UserSocket) -> Option<SeenSocket> {
        let seen = self.there.remove(id)?;
        let bytes = bytes(id, &seen);
        self.bytes -= bytes;
        self.account.sub(bytes);
        Some(seen)
    }

    /// Reports sockets as left that were not found and will not be.
    fn miss(&mut self, found: &HashSet<UserSocket>) {
        let now = Instant::now();
        let calm_since = self.whole_since.map_or(now, |since| since + GRACE);
        let leases = &self.backplane.presence.leases;
        let mut left = Vec::new();
        for (id, seen) in &mut self.there {
            if found.contains(id) {
                continue;
            }
            let missing_since = *seen.missing_since.get_or_insert(now);
            let has_ended = seen.ends <= now || leases.has_ended(seen.lease);
            let leaves_at = match has_ended {
                true => calm_since,
                false => calm_since.max(missing_since + GRACE),
            };
            // Then it is looked for again, or when its time has come, which may be sooner.
            seen.ends = match has_ended {
                true => leaves_at,
                false => leaves_at.min(seen.ends),
            };
            if leaves_at <= now {
                left.push(id.clone());
            }
        }
        for id in left {
            self.leave(&id);
        }
    }

    fn leave(&mut self, id: &UserSocket) {
        if let Some(seen) = self.forget(id) {
            self.tell("leave", id, &seen.metadata);
        }
    }

    fn depends_on_ended(&self) -> bool {
        let leases = &self.backplane.presence.leases;
        self.there.values().any(|seen| !leases.is_alive(seen.lease))
    }

    fn look_later(&mut self, is_whole: bool) {
        let now = Instant::now();
        let next = if is_whole {
            self.there.values().map(|seen| seen.ends).min()
        } else {
            // Redis is available and did not answer. During an outage nothing is asked, and the end
            // of the outage is reported.
            self.backplane.is_ready().then_some(now)
        };
        self.look_at = next.unwrap_or(now + FAR).max(now + LOOK_AGAIN);
    }

    fn tell(&self, kind: &str, (user, socket): &UserSocket, metadata: &Json) {
        let metadata: Option<&RawValue> = serde_json::from_slice(metadata).ok();
        let metadata = metadata.map_or("null", RawValue::get);
        let [user, socket, room] = [user, socket, &self.room].map(|text| json!(text));
        let event = format!(
            r#"{{"type":"{kind}","userId":{user},"socketId":{socket},"roomId":{room},"metadata":{metadata}}}"#
        );
        self.mailbox.put(Mail::Message(Message {
            tag: self.tag,
            channel: None,
            payload: event.into(),
        }));
    }
}

impl<R: Remote> Drop for RoomView<R> {
    fn drop(&mut self) {
        self.account.sub(self.bytes);
    }
}

/// The memory of a watch beside the sockets in its room. The room is a key of two maps, and named
/// here.
fn own_bytes<R: Remote>(room: &str) -> u64 {
    (size_of::<RoomView<R>>() + 3 * allocated(room.len())) as u64
}

fn bytes((user, socket): &UserSocket, seen: &SeenSocket) -> u64 {
    let names = allocated(user.len()) + allocated(socket.len());
    let metadata = allocated(seen.metadata.len());
    (slot(size_of::<(UserSocket, SeenSocket)>()) + names + metadata) as u64
}

fn seen(present: Present) -> Option<(UserSocket, SeenSocket)> {
    let Record {
        version,
        left,
        metadata,
        ..
    } = present.record?;
    let seen = SeenSocket {
        version,
        lease: present.lease,
        metadata,
        ends: end(left),
        missing_since: None,
    };
    Some(((present.user, present.socket), seen))
}

fn end(left: Duration) -> Instant {
    Instant::now() + left.min(FAR)
}
