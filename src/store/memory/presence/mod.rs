//! The sockets that this process has set: what answers while Redis is away, and what is set there
//! again afterwards.

mod book;
mod kept;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::Clock;
use crate::store::presence::{
    Condition, Detail, LAST_SEEN_TTL, LastSeen, Life, News, Place, Present, Roster, Socket,
};
use crate::store::{Result, Ttl};

use book::{Book, Removed};

pub use kept::{Doubt, Kept, Order, Standing};

/// Some 500 MB. Beyond, sockets are not taken any more.
const MOST_SOCKETS: usize = 1_000_000;
/// Users whose last socket has gone, and who are remembered.
const MOST_LAST_SEEN: usize = 100_000;
/// What is left of what lasts as long as the process: some 500,000 years.
const FOR_EVER: Duration = Duration::from_millis(u64::MAX >> 10);
/// How long a removal is remembered, so that no refresh brings the socket back.
const REMOVED_MS: u64 = 60_000;

/// Told what happens in a room.
pub type OnNews = Box<dyn Fn(&str, Bytes) + Send + Sync>;

pub struct MemoryRoster {
    book: Mutex<Book>,
    clock: Clock,
    on_news: OnNews,
    orders: AtomicU64,
}

impl MemoryRoster {
    pub fn new(clock: Clock, on_news: OnNews) -> Self {
        Self {
            book: Mutex::default(),
            clock,
            on_news,
            orders: AtomicU64::new(0),
        }
    }

    /// The next place in the order of this process.
    pub fn order(&self) -> Order {
        Order {
            number: self.orders.fetch_add(1, Ordering::Relaxed),
            at: self.clock.now_ms(),
        }
    }

    /// Sets a socket, and tells nobody. `false`: there are too many.
    pub fn keep(&self, socket: Arc<Socket>, standing: Standing) -> bool {
        let mut book = self.book();
        let known = book.sockets.get(&socket.id);
        let removed = book.removed.get(&socket.id).map(|removed| removed.order);
        let last = known.map(|known| known.order).or(removed);
        if last.is_some_and(|last| last.number > standing.order.number) {
            return true;
        }
        if known.is_none() && book.sockets.len() >= MOST_SOCKETS {
            return false;
        }
        let kept = Kept {
            order: standing.order,
            version: standing.version,
            ends: standing.ttl.map(|ttl| standing.order.at + ttl.as_millis()),
            heard: self.clock.now_ms(),
            heard_in: self.order(),
            seen_at_ms: self.clock.epoch_ms(),
            doubt: standing.doubt,
            socket,
        };
        book.replace(kept);
        true
    }

    /// Sets a socket, and tells who listens; `None`: the condition does not hold, or there are too many.
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

    /// Removes a socket, if it is that user's, and tells who listens; answers as of which version.
    pub fn remove_now(&self, user: &str, id: &str) -> u64 {
        let (known, now) = (self.find(id), self.clock.now_ms());
        let version = self.next_version(id, known.as_ref());
        let is_anothers = |kept: &Kept| kept.is_alive(now) && &*kept.socket.user != user;
        if known.as_ref().is_some_and(is_anothers) {
            return version;
        }
        let removed = Removed {
            version,
            order: self.order(),
            until: now + REMOVED_MS,
        };
        let mut book = self.book();
        book.removed.insert(id.into(), removed);
        book.remove(id);
        drop(book);
        if let Some(known) = known {
            self.remember(&known);
            self.tell_left(&known, version);
        }
        version
    }

    /// Forgets a socket that was not set since, and tells nobody.
    pub fn forget(&self, id: &str, order: Order) {
        let mut book = self.book();
        if book
            .sockets
            .get(id)
            .is_some_and(|kept| kept.order.number <= order.number)
        {
            book.remove(id);
        }
    }

    pub fn list_now(&self, place: Place<'_>, detail: Detail) -> Vec<Present> {
        let (book, now) = (self.book(), self.clock.now_ms());
        let alive = book.at(place).filter(|kept| kept.is_alive(now));
        alive.map(|kept| kept.present(place, now, detail)).collect()
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
        there.retain(|present| !book.sockets.get(&present.socket).is_some_and(knows_better));
        let own = book.at(place).filter(|kept| knows_better(kept));
        there.extend(own.map(|kept| kept.present(place, now, detail)));
    }

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

    pub fn last_seen_now(&self, user: &str) -> Option<u64> {
        let (book, now) = (self.book(), self.clock.now_ms());
        let here = book.at(Place::User(user)).map(|kept| kept.seen_at_ms).max();
        let gone = book.last_seen.get(user).filter(|(_, until)| now < *until);
        here.max(gone.map(|(at, _)| *at))
    }

    /// Those that the server should have known of in a place when it was asked, and has not told.
    pub fn missing(&self, place: Place<'_>, asked: Order, there: &[Present]) -> Vec<Kept> {
        let (book, now) = (self.book(), self.clock.now_ms());
        let Some(own) = book.ids_at(place) else {
            return Vec::new();
        };
        let told: HashSet<&str> = there.iter().map(|present| &*present.socket).collect();
        let untold = own.iter().filter(|id| !told.contains(&***id));
        let missing = untold
            .filter_map(|id| book.sockets.get(id))
            .filter(|kept| kept.doubt == Doubt::None && kept.is_alive(now))
            .filter(|kept| kept.heard_in.number < asked.number);
        missing.cloned().collect()
    }

    pub fn get(&self, id: &str) -> Option<Kept> {
        let now = self.clock.now_ms();
        self.find(id).filter(|kept| kept.is_alive(now))
    }

    /// Its time may have passed.
    fn find(&self, id: &str) -> Option<Kept> {
        self.book().sockets.get(id).cloned()
    }

    pub fn len(&self) -> usize {
        self.book().sockets.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn is_in_doubt(&self) -> bool {
        self.book().in_doubt > 0
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

    /// All that the server may not have.
    pub fn in_doubt(&self) -> Vec<Kept> {
        self.chosen(|kept, _| kept.doubt != Doubt::None)
    }

    /// Those that last as long as the process, and that the server has not heard of for so long.
    pub fn unheard_for(&self, ms: u64) -> Vec<Kept> {
        self.chosen(|kept, now| kept.ends.is_none() && kept.heard + ms <= now)
    }

    /// What is left of a socket's time (`None`: as long as the process), if it is there and has not been set
    /// or removed since.
    pub fn left(&self, kept: &Kept) -> Option<Option<Ttl>> {
        let (book, now) = (self.book(), self.clock.now_ms());
        let known = book.sockets.get(&kept.socket.id)?;
        let is_it = known.order.number == kept.order.number && known.is_alive(now);
        is_it.then(|| known.ends.map(|ends| Ttl::from_whole_millis(ends - now)))
    }

    /// Whether a socket is as it was: not set, not even again, nor removed since.
    pub fn is_as(&self, before: &Kept) -> bool {
        let known = self.find(&before.socket.id);
        known.is_some_and(|known| {
            known.order.number == before.order.number && known.version == before.version
        })
    }

    /// A socket is not this process's any more.
    pub fn lost(&self, kept: &Kept) {
        self.forget(&kept.socket.id, kept.order);
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

    /// Takes out those whose time has passed; `tells`: who listens is told.
    pub fn sweep(&self, tells: bool) {
        let now = self.clock.now_ms();
        let mut book = self.book();
        book.removed.retain(|_, removed| now < removed.until);
        book.last_seen.retain(|_, (_, until)| now < *until);
        let ended: Vec<Kept> = book
            .sockets
            .values()
            .filter(|kept| !kept.is_alive(now))
            .cloned()
            .collect();
        for kept in &ended {
            book.remove(&kept.socket.id);
        }
        drop(book);
        for kept in ended {
            self.remember(&kept);
            if tells {
                self.tell_left(&kept, kept.version);
            }
        }
    }

    pub fn clear(&self) {
        *self.book() = Book::default();
    }

    fn chosen(&self, choose: impl Fn(&Kept, u64) -> bool) -> Vec<Kept> {
        let (book, now) = (self.book(), self.clock.now_ms());
        let chosen = book
            .sockets
            .values()
            .filter(|kept| kept.is_alive(now) && choose(kept, now));
        chosen.cloned().collect()
    }

    fn may_set(&self, socket: &Socket, before: Option<&Kept>, condition: Condition) -> bool {
        let Condition::Since { version, or_lost } = condition else {
            return true;
        };
        let now = self.clock.now_ms();
        match before.filter(|before| before.is_alive(now)) {
            Some(before) => before.version <= version || before.socket.claim == socket.claim,
            None => or_lost && !self.book().removed.contains_key(&socket.id),
        }
    }

    fn next_version(&self, id: &str, before: Option<&Kept>) -> u64 {
        let removed = self
            .book()
            .removed
            .get(id)
            .map_or(0, |removed| removed.version);
        let known = before.map_or(0, |before| before.version).max(removed);
        (known + 1).max(self.clock.epoch_ms() * 1000)
    }

    /// When its user was last seen: now, if it is removed while it is alive.
    fn remember(&self, kept: &Kept) {
        let now = self.clock.now_ms();
        let seen_at_ms = match kept.is_alive(now) {
            true => self.clock.epoch_ms(),
            false => kept.seen_at_ms,
        };
        let (user, until) = (&kept.socket.user, now + LAST_SEEN_TTL.as_millis());
        let mut book = self.book();
        let known = book.last_seen.get(user).map(|(at, _)| *at);
        if book.last_seen.len() < MOST_LAST_SEEN || known.is_some() {
            let latest = seen_at_ms.max(known.unwrap_or_default());
            book.last_seen.insert(user.clone(), (latest, until));
        }
    }

    /// Tells the places that a socket has left.
    fn tell_moved(&self, before: &Kept, now: &Socket, version: u64) {
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

    /// Tells the places where a socket is new or different.
    fn tell_set(&self, before: Option<&Kept>, now: &Socket, standing: Standing) {
        let time = self.clock.now_ms();
        let is_same = before.is_some_and(|before| {
            let socket = &before.socket;
            before.is_alive(time) && socket.user == now.user && socket.metadata == now.metadata
        });
        if is_same {
            return;
        }
        for (place, metadata) in now.places() {
            let Place::Room(room) = place else {
                continue;
            };
            let news = News::Is {
                user: now.user.clone(),
                socket: now.id.clone(),
                life: None,
                version: standing.version,
                left: standing.ttl.map_or(FOR_EVER, Ttl::as_duration),
                metadata,
            };
            (self.on_news)(room, news.text());
        }
    }

    fn tell_left(&self, kept: &Kept, version: u64) {
        for room in &kept.socket.rooms {
            self.tell_room_left(room, &kept.socket, version);
        }
    }

    fn tell_room_left(&self, room: &str, socket: &Socket, version: u64) {
        let news = News::Left {
            user: socket.user.clone(),
            socket: socket.id.clone(),
            version,
        };
        (self.on_news)(room, news.text());
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Roster for MemoryRoster {
    async fn set(
        &self,
        socket: &Socket,
        _: Option<Life>,
        ttl: Ttl,
        condition: Condition,
    ) -> Result<Option<u64>> {
        Ok(self.set_now(Arc::new(socket.clone()), Some(ttl), condition))
    }

    async fn remove(&self, user: &str, socket: &str) -> Result<u64> {
        Ok(self.remove_now(user, socket))
    }

    async fn list(&self, place: Place<'_>, detail: Detail) -> Result<Vec<Present>> {
        Ok(self.list_now(place, detail))
    }

    async fn last_seen(&self, user: &str) -> Result<Option<LastSeen>> {
        Ok(self.last_seen_now(user).map(|at| (at, None)))
    }
}
