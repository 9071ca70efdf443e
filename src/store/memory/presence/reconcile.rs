//! What the server knows about the sockets of this process: what it may lack, and what it may
//! report wrongly.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::task::yield_now;

use super::MemoryRoster;
use super::index::SocketIndex;
use super::own_socket::{Doubt, OwnSocket, SocketOrder};
use crate::io_thread::steps::for_each;
use crate::store::Ttl;
use crate::store::parts::Parts;
use crate::store::presence::{Detail, Place, Present, Socket};

impl MemoryRoster {
    /// From now on the server may lack this one.
    pub fn doubt(&self, kept: &OwnSocket) {
        let (id, mut book) = (&kept.socket.id, self.book());
        if book
            .known(id)
            .is_some_and(|known| known.doubt == Doubt::None)
        {
            book.set_doubt(id, Doubt::Lost);
        }
    }

    /// From now on the server may not have any of them. O(1).
    pub fn doubt_all(&self) {
        self.book().doubt_all();
    }

    pub fn is_in_doubt(&self) -> bool {
        self.book().in_doubt > 0
    }

    /// All of one part of the sockets that the server may not have; `None`: there is no such part.
    pub fn in_doubt(&self, part: usize) -> Option<Vec<OwnSocket>> {
        self.chosen(part, |_, doubt, _| doubt != Doubt::None)
    }

    /// Those that the server should have, in steps.
    pub async fn certain(&self) -> Vec<Arc<Socket>> {
        let (mut certain, mut part) = (Vec::new(), 0);
        while let Some(some) = self.chosen(part, |_, doubt, _| doubt == Doubt::None) {
            certain.extend(some.into_iter().map(|kept| kept.socket));
            part += 1;
            yield_now().await;
        }
        certain
    }

    /// Of one part those that last as long as the process, and that the server has not heard of for so long.
    pub fn unheard_for(&self, ms: u64, part: usize) -> Option<Vec<OwnSocket>> {
        self.chosen(part, |kept, _, now| {
            kept.ends.is_none() && kept.heard + ms <= now
        })
    }

    /// The server has, or had, a socket as it is recorded here.
    pub fn heard(&self, before: &OwnSocket, version: u64, doubt: Doubt) {
        let (now, heard_in) = (self.clock.now_ms(), self.order());
        let mut book = self.book();
        let Some(kept) = book.sockets.get_mut(&*before.socket.id) else {
            return;
        };
        if kept.order.number != before.order.number {
            return;
        }
        kept.version = version;
        kept.heard = now;
        kept.heard_in = heard_in;
        book.last_heard = book.last_heard.max(heard_in.number);
        book.set_doubt(&before.socket.id, doubt);
    }

    /// Puts right, in steps, what the server says of a place that was asked for then: where the sockets are that
    /// it may not have, and those that it has heard of since, this process knows.
    pub async fn correct(
        &self,
        place: Place<'_>,
        detail: Detail,
        asked: SocketOrder,
        there: Vec<Present>,
    ) -> Vec<Present> {
        if self.is_right(asked) {
            return there;
        }
        let mut own = Parts::default();
        self.for_each_at(place, |book, kept, now| {
            if knows_better(book, kept, asked) {
                own.insert(kept.socket.id.clone(), kept.present(place, now, detail));
            }
        })
        .await;
        let mut right = Vec::with_capacity(there.len());
        for_each(there, |present| {
            if own.get(&*present.socket).is_some() {
                return;
            }
            // Something may have come about since the others were met.
            match self.known_better(&present.socket, asked) {
                None => right.push(present),
                Some(kept) if kept.is_at(place) => {
                    let present = kept.present(place, self.clock.now_ms(), detail);
                    own.insert(kept.socket.id.clone(), present);
                }
                Some(_) => {}
            }
        })
        .await;
        for_each(own.into_items(), |(_, present)| right.push(present)).await;
        right
    }

    /// Whether this process knows nothing better of any of its sockets. O(1).
    fn is_right(&self, asked: SocketOrder) -> bool {
        let book = self.book();
        book.sockets.is_empty() || (book.in_doubt == 0 && book.last_heard <= asked.number)
    }

    fn known_better(&self, id: &str, asked: SocketOrder) -> Option<OwnSocket> {
        let (book, now) = (self.book(), self.clock.now_ms());
        let kept = book.sockets.get(id)?;
        (kept.is_alive(now) && knows_better(&book, kept, asked)).then(|| kept.clone())
    }

    /// Those that the server should have known of in a place when it was asked, and has not told; in steps.
    pub async fn missing(
        &self,
        place: Place<'_>,
        asked: SocketOrder,
        there: &[Present],
    ) -> Vec<OwnSocket> {
        let mut missing = Vec::new();
        if self.book().ids_at(place).next().is_none() {
            return missing;
        }
        let mut told = HashSet::with_capacity(there.len());
        for_each(there, |present| {
            told.insert(&*present.socket);
        })
        .await;
        self.for_each_at(place, |book, kept, _| {
            let should_be = book.doubt(kept) == Doubt::None && kept.heard_in.number < asked.number;
            if should_be && !told.contains(&*kept.socket.id) {
                missing.push(book.as_of_now(kept));
            }
        })
        .await;
        missing
    }

    /// Whether a socket is unchanged: not set, not even again, nor removed since.
    pub fn is_as(&self, before: &OwnSocket) -> bool {
        let known = self.find(&before.socket.id);
        known.is_some_and(|known| {
            known.order.number == before.order.number && known.version == before.version
        })
    }

    /// The remaining time of a socket (`None`: as long as the process), if it is present and has
    /// not been set or removed since.
    pub fn left(&self, kept: &OwnSocket) -> Option<Option<Ttl>> {
        let (book, now) = (self.book(), self.clock.now_ms());
        let known = book.sockets.get(&*kept.socket.id)?;
        let is_it = known.order.number == kept.order.number && known.is_alive(now);
        is_it.then(|| known.ends.map(|ends| Ttl::from_whole_millis(ends - now)))
    }

    /// A socket no longer belongs to this process.
    pub fn lost(&self, kept: &OwnSocket) {
        self.forget(&kept.socket.id, kept.order);
    }

    /// Of one part those that are chosen by what is known, and in doubt, of them; `None`: there is no such part.
    fn chosen(
        &self,
        part: usize,
        choose: impl Fn(&OwnSocket, Doubt, u64) -> bool,
    ) -> Option<Vec<OwnSocket>> {
        let (book, now) = (self.book(), self.clock.now_ms());
        let alive = book.sockets.part(part)?.values();
        let alive = alive.filter(|kept| kept.is_alive(now));
        let chosen = alive.filter(|kept| choose(kept, book.doubt(kept), now));
        Some(chosen.map(|kept| book.as_of_now(kept)).collect())
    }
}

/// Whether this process knows better than a server that was asked then.
fn knows_better(book: &SocketIndex, kept: &OwnSocket, asked: SocketOrder) -> bool {
    book.doubt(kept) != Doubt::None || kept.heard_in.number > asked.number
}
