//! The waiters for locks in this process, and how they are called. Bounded in bytes; beyond the
//! bound, nobody waits.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout_at;

use crate::mutex::{Mutex, MutexGuard};
use crate::store::locks::Token;
use crate::store::memory::budget::{Account, allocated};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaiterSignal {
    TryAt(Instant),
    Leave,
}

/// The memory of a waiter beside the name of its lock: its call, its places in the tables, its
/// signal.
const WAITER_BYTES: usize = 2048;
/// How many copies of the name it holds: in the call, and in the keys of the lock.
const NAMES: usize = 4;

pub struct Waiters {
    waiting: Mutex<WaiterTable>,
    account: Account,
}

#[derive(Default)]
struct WaiterTable {
    /// In order of arrival.
    by_handle: BTreeMap<u64, watch::Sender<WaiterSignal>>,
    handles: HashMap<Token, u64>,
    are_over: bool,
}

impl Waiters {
    pub fn new(account: Account) -> Self {
        Self {
            waiting: Mutex::default(),
            account,
        }
    }

    /// `None`: there are too many.
    pub fn enter(self: &Arc<Self>, handle: u64, token: Token, name: &[u8]) -> Option<Waiter> {
        let mut waiting = self.waiting();
        let bytes = WAITER_BYTES + NAMES * allocated(name.len());
        if !self.account.has_room(bytes) {
            return None;
        }
        self.account.add(bytes as u64);
        let sender = watch::Sender::new(match waiting.are_over {
            true => WaiterSignal::Leave,
            false => WaiterSignal::TryAt(Instant::now()),
        });
        let signal = sender.subscribe();
        waiting.by_handle.insert(handle, sender);
        waiting.handles.insert(token, handle);
        Some(Waiter {
            waiters: self.clone(),
            handle,
            token,
            bytes,
            signal,
        })
    }

    /// Makes a waiter try again after this time.
    pub fn wake(&self, token: Token, after: Duration) {
        let waiting = self.waiting();
        if let Some(handle) = waiting.handles.get(&token) {
            waiting.signal(*handle, WaiterSignal::TryAt(Instant::now() + after));
        }
    }

    /// Makes all waiters try again, first come, first served.
    pub fn wake_all(&self) {
        self.signal_all(WaiterSignal::TryAt(Instant::now()));
    }

    pub fn cancel(&self, handle: u64) {
        self.waiting().signal(handle, WaiterSignal::Leave);
    }

    /// Ends all present and future waits permanently.
    pub fn end(&self) {
        self.waiting().are_over = true;
        self.signal_all(WaiterSignal::Leave);
    }

    pub fn are_over(&self) -> bool {
        self.waiting().are_over
    }

    fn signal_all(&self, signal: WaiterSignal) {
        let waiting = self.waiting();
        for handle in waiting.by_handle.keys() {
            waiting.signal(*handle, signal);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, WaiterTable> {
        self.waiting.lock()
    }
}

impl WaiterTable {
    fn signal(&self, handle: u64, signal: WaiterSignal) {
        if let Some(sender) = self.by_handle.get(&handle) {
            sender.send_if_modified(|known| {
                let stays = *known != WaiterSignal::Leave;
                if stays {
                    *known = signal;
                }
                stays
            });
        }
    }
}

/// One waiter's place here; it ends when it is dropped.
pub struct Waiter {
    waiters: Arc<Waiters>,
    handle: u64,
    token: Token,
    bytes: usize,
    signal: watch::Receiver<WaiterSignal>,
}

impl Waiter {
    pub fn is_cancelled(&self) -> bool {
        *self.signal.borrow() == WaiterSignal::Leave
    }

    /// Waits until it is time to try again: at `try_at`, or when it is called for another time.
    /// `false`: it is time to leave, because of `until` or a request to leave.
    pub async fn is_woken(&mut self, try_at: Instant, until: Option<Instant>) -> bool {
        let mut try_at = try_at;
        while !self.is_cancelled() {
            let next = until.map_or(try_at, |until| try_at.min(until));
            // Timers are rounded up to the next millisecond.
            if next <= Instant::now() {
                return until.is_none_or(|until| Instant::now() < until);
            }
            let called = timeout_at(next.into(), self.signal.changed()).await;
            if called.is_ok()
                && let WaiterSignal::TryAt(at) = *self.signal.borrow_and_update()
            {
                try_at = at;
            }
        }
        false
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut waiting = self.waiters.waiting();
        waiting.by_handle.remove(&self.handle);
        waiting.handles.remove(&self.token);
        self.waiters.account.sub(self.bytes as u64);
    }
}
