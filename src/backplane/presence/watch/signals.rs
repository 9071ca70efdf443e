//! The notifications for a watch, bounded in bytes. Beyond the bound they are not kept, and the
//! watch reads the room instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::store::memory::budget::{Account, allocated};

/// Bytes of notifications that wait while a watch reads its room.
const MOST: u64 = 4 * 1024 * 1024;

pub enum Signal {
    News(Bytes),
    /// Redis was unavailable.
    Back,
    /// Notifications may have been missed.
    Missed,
    LeaseEnded,
}

pub struct Signals {
    sender: UnboundedSender<Signal>,
    waiting: Arc<Waiting>,
}

pub struct Inbox {
    receiver: UnboundedReceiver<Signal>,
    waiting: Arc<Waiting>,
}

struct Waiting {
    account: Account,
    bytes: AtomicU64,
    /// Until the watch has noticed the loss, nothing more is kept.
    is_full: AtomicBool,
}

pub fn signals(account: &Account) -> (Signals, Inbox) {
    let (sender, receiver) = unbounded_channel();
    let waiting = Arc::new(Waiting {
        account: account.clone(),
        bytes: AtomicU64::new(0),
        is_full: AtomicBool::new(false),
    });
    let signals = Signals {
        sender,
        waiting: waiting.clone(),
    };
    (signals, Inbox { receiver, waiting })
}

fn bytes(text: &Bytes) -> u64 {
    (size_of::<Signal>() + allocated(text.len())) as u64
}

impl Signals {
    pub fn news(&self, text: Bytes) {
        let Waiting {
            account,
            bytes: waiting,
            is_full,
        } = &*self.waiting;
        if is_full.load(Relaxed) {
            return;
        }
        let bytes = bytes(&text);
        if waiting.load(Relaxed) + bytes > MOST {
            is_full.store(true, Relaxed);
            return self.send(Signal::Missed);
        }
        waiting.fetch_add(bytes, Relaxed);
        account.add(bytes);
        self.send(Signal::News(text));
    }

    pub fn send(&self, signal: Signal) {
        // A watch that has ended is not notified.
        let _ = self.sender.send(signal);
    }
}

impl Inbox {
    /// `None`: the watch has ended. Nothing is lost if it is dropped while it waits.
    pub async fn take(&mut self) -> Option<Signal> {
        let signal = self.receiver.recv().await?;
        self.taken(&signal);
        Some(signal)
    }

    /// Takes everything that is there.
    pub fn skip(&mut self) {
        while let Ok(signal) = self.receiver.try_recv() {
            self.taken(&signal);
        }
    }

    fn taken(&self, signal: &Signal) {
        match signal {
            Signal::News(text) => {
                self.waiting.bytes.fetch_sub(bytes(text), Relaxed);
                self.waiting.account.sub(bytes(text));
            }
            Signal::Missed => self.waiting.is_full.store(false, Relaxed),
            Signal::Back | Signal::LeaseEnded => {}
        }
    }
}

/// Both ends are gone, and with them everything that has not been taken.
impl Drop for Waiting {
    fn drop(&mut self) {
        self.account.sub(self.bytes.load(Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::budget::MemoryKind;

    fn account() -> Account {
        Account::alone(MemoryKind::Watches, u64::MAX)
    }

    #[tokio::test]
    async fn beyond_the_bound_a_watch_looks_instead() {
        let account = account();
        let (signals, mut inbox) = signals(&account);
        let text = Bytes::from(vec![b'x'; 64 * 1024]);
        for _ in 0..1000 {
            signals.news(text.clone());
        }
        assert!(account.bytes() <= MOST && account.bytes() > MOST / 2);
        while let Some(Signal::News(_)) = inbox.take().await {}
        assert_eq!(account.bytes(), 0);
        signals.news(text);
        assert!(matches!(inbox.take().await, Some(Signal::News(_))));
    }

    #[test]
    fn what_nobody_takes_is_given_back() {
        let account = account();
        let (signals, inbox) = signals(&account);
        signals.news(Bytes::from_static(b"x"));
        drop(inbox);
        signals.news(Bytes::from_static(b"y"));
        assert!(account.bytes() > 0);
        drop(signals);
        assert_eq!(account.bytes(), 0);
    }
}
