//! What the server knows of the sockets of this process: what it may not have, and what it may say that is not so.

use std::collections::HashSet;
use std::sync::Arc;

use super::MemoryRoster;
use super::kept::{Doubt, Kept, Order};
use crate::store::Ttl;
use crate::store::presence::{Detail, Place, Present, Socket};

impl MemoryRoster {
    /// From now on the server may not have this one.
    pub fn doubt(&self, kept: &Kept) {
        let mut book = self.book();
        if let Some(known) = book.sockets.get_mut(&kept.socket.id)
            && known.doubt == Doubt::None
        {
            known.doubt = Doubt::Lost;
            book.in_doubt += 1;
        }
    }

    /// From now on the server may not have any of them.
    pub fn doubt_all(&self) {
        let mut book = self.book();
        for kept in book.sockets.values_mut() {
            if kept.doubt == Doubt::None {
                kept.doubt = Doubt::Lost;
            }
        }
        book.in_doubt = book.sockets.len();
    }

    pub fn is_in_doubt(&self) -> bool {
        self.book().in_doubt > 0
    }

    /// All that the server may not have.
    pub fn in_doubt(&self) -> Vec<Kept> {
        self.chosen(|kept, _| kept.doubt != Doubt::None)
    }

    /// Those that the server should have.
    pub fn certain(&self) -> Vec<Arc<Socket>> {
        let book = self.book();
        let sockets = book.sockets.values();
        let certain = sockets.filter(|kept| kept.doubt == Doubt::None);
        certain.map(|kept| kept.socket.clone()).collect()
    }

    /// Those that last as long as the process, and that the server has not heard of for so long.
    pub fn unheard_for(&self, ms: u64) -> Vec<Kept> {
        self.chosen(|kept, now| kept.ends.is_none() && kept.heard + ms <= now)
    }

    /// The server has a socket as it was kept, or had.
    pub fn heard(&self, before: &Kept, version: u64, doubt: Doubt) {
        let (now, heard_in) = (self.clock.now_ms(), self.order());
        let mut book = self.book();
        let Some(kept) = book.sockets.get_mut(&before.socket.id) else {
            return;
        };
        if kept.order.number != before.order.number {
            return;
        }
        let was_in_doubt = kept.doubt != Doubt::None;
        kept.doubt = doubt;
        kept.version = version;
        kept.heard = now;
        kept.heard_in = heard_in;
        book.in_doubt -= usize::from(was_in_doubt);
        book.in_doubt += usize::from(doubt != Doubt::None);
    }

    /// Puts right what the server says of a place that was asked for then: where the sockets are that
    /// it may not have, and those that it has heard of since, this process knows.
    pub fn correct(
        &self,
        place: Place<'_>,
        detail: Detail,
        asked: Order,
        there: &mut Vec<Present>,
    ) {
        let (book, now) = (self.book(), self.clock.now_ms());
        if book.sockets.is_empty() {
            return;
        }
        let knows_better = |kept: &Kept| {
            kept.is_alive(now) && (kept.doubt != Doubt::None || kept.heard_in.number > asked.number)
        };
        there.retain(|present| !book.sockets.get(&*present.socket).is_some_and(knows_better));
        let own = book.at(place).filter(|kept| knows_better(kept));
        there.extend(own.map(|kept| kept.present(place, now, detail)));
    }

    /// Those that the server should have known of in a place when it was asked, and has not told.
    pub fn missing(&self, place: Place<'_>, asked: Order, there: &[Present]) -> Vec<Kept> {
        let (book, now) = (self.book(), self.clock.now_ms());
        let told: HashSet<&str> = there.iter().map(|present| &*present.socket).collect();
        let untold = book.ids_at(place).filter(|id| !told.contains(&***id));
        let missing = untold
            .filter_map(|id| book.sockets.get(id))
            .filter(|kept| kept.doubt == Doubt::None && kept.is_alive(now))
            .filter(|kept| kept.heard_in.number < asked.number);
        missing.cloned().collect()
    }

    /// Whether a socket is as it was: not set, not even again, nor removed since.
    pub fn is_as(&self, before: &Kept) -> bool {
        let known = self.find(&before.socket.id);
        known.is_some_and(|known| {
            known.order.number == before.order.number && known.version == before.version
        })
    }

    /// What is left of a socket's time (`None`: as long as the process), if it is there and has not been set
    /// or removed since.
    pub fn left(&self, kept: &Kept) -> Option<Option<Ttl>> {
        let (book, now) = (self.book(), self.clock.now_ms());
        let known = book.sockets.get(&kept.socket.id)?;
        let is_it = known.order.number == kept.order.number && known.is_alive(now);
        is_it.then(|| known.ends.map(|ends| Ttl::from_whole_millis(ends - now)))
    }

    /// A socket is not this process's any more.
    pub fn lost(&self, kept: &Kept) {
        self.forget(&kept.socket.id, kept.order);
    }

    fn chosen(&self, choose: impl Fn(&Kept, u64) -> bool) -> Vec<Kept> {
        let (book, now) = (self.book(), self.clock.now_ms());
        let chosen = book
            .sockets
            .values()
            .filter(|kept| kept.is_alive(now) && choose(kept, now));
        chosen.cloned().collect()
    }
}
