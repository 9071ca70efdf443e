//! Messages on their way to JavaScript. A consumer that is slower than its channels, or blocked,
//! costs a bounded amount of memory. Beyond the bound the oldest messages are dropped and counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use crate::backplane::stats::pubsub_stats::PubsubStats;
use crate::mutex::{Mutex, MutexGuard};
use crate::store::topics::Message;

/// The memory of a message beside its texts.
const MESSAGE_BYTES: usize = 64;

#[derive(Clone, Copy, Debug)]
pub struct MailBounds {
    pub max_messages: usize,
    pub max_bytes: usize,
}

/// When messages may have been missed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    pub since: SystemTime,
    pub until: SystemTime,
    pub reason: String,
    /// Messages that arrived and had to be dropped; 0 when none are known.
    pub dropped: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mail {
    Message(Message),
    Gap(Gap),
}

/// Called when there is mail after there was none.
pub type OnMail = Arc<dyn Fn(&Arc<Mailbox>) + Send + Sync>;

pub struct Mailbox {
    /// The receiver's number, as JavaScript knows it.
    pub receiver: u32,
    bounds: MailBounds,
    contents: Mutex<Contents>,
    pubsub_stats: Arc<PubsubStats>,
    on_mail: OnMail,
}

#[derive(Default)]
struct Contents {
    mail: VecDeque<Mail>,
    bytes: usize,
    overflow: Option<Gap>,
}

impl Mailbox {
    pub fn new(
        receiver: u32,
        bounds: MailBounds,
        pubsub_stats: Arc<PubsubStats>,
        on_mail: OnMail,
    ) -> Arc<Self> {
        Arc::new(Self {
            receiver,
            bounds,
            contents: Mutex::default(),
            pubsub_stats,
            on_mail,
        })
    }

    pub fn put(self: &Arc<Self>, mail: Mail) {
        match mail {
            Mail::Message(_) => self.pubsub_stats.received(),
            Mail::Gap(_) => self.pubsub_stats.gap(),
        }
        let mut contents = self.contents();
        let was_empty = contents.mail.is_empty();
        contents.bytes += bytes(&mail);
        contents.mail.push_back(mail);
        while contents.is_over(self.bounds) {
            contents.drop_oldest(&self.pubsub_stats);
        }
        drop(contents);
        if was_empty {
            (self.on_mail)(self);
        }
    }

    /// The oldest mail. Dropped messages come first, as a gap.
    pub fn take(&self) -> Option<Mail> {
        let mut contents = self.contents();
        if let Some(gap) = contents.overflow.take() {
            return Some(Mail::Gap(gap));
        }
        let mail = contents.mail.pop_front()?;
        contents.bytes -= bytes(&mail);
        Some(mail)
    }

    pub fn is_empty(&self) -> bool {
        let contents = self.contents();
        contents.mail.is_empty() && contents.overflow.is_none()
    }

    /// Waiting messages, and their bytes.
    pub fn waiting(&self) -> (usize, usize) {
        let contents = self.contents();
        (contents.mail.len(), contents.bytes)
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock()
    }
}

impl Contents {
    /// One message, however large, is always kept.
    fn is_over(&self, bounds: MailBounds) -> bool {
        self.mail.len() > 1
            && (self.mail.len() > bounds.max_messages || self.bytes > bounds.max_bytes)
    }

    fn drop_oldest(&mut self, pubsub_stats: &PubsubStats) {
        let Some(mail) = self.mail.pop_front() else {
            return;
        };
        self.bytes -= bytes(&mail);
        let now = SystemTime::now();
        let overflow = self.overflow.get_or_insert_with(|| {
            pubsub_stats.gap();
            Gap {
                since: now,
                until: now,
                reason: "overflow".to_owned(),
                dropped: 0,
            }
        });
        overflow.until = now;
        match mail {
            Mail::Message(_) => {
                overflow.dropped += 1;
                pubsub_stats.dropped();
            }
            Mail::Gap(gap) => overflow.since = overflow.since.min(gap.since),
        }
    }
}

fn bytes(mail: &Mail) -> usize {
    match mail {
        Mail::Message(message) => {
            let channel = message.channel.as_ref().map_or(0, |channel| channel.len());
            MESSAGE_BYTES + channel + message.payload.len()
        }
        Mail::Gap(_) => MESSAGE_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::store::topics::SubscriptionTag;

    fn message(tag: u64, payload: &'static [u8]) -> Mail {
        Mail::Message(Message {
            tag: SubscriptionTag(tag),
            channel: None,
            payload: payload.into(),
        })
    }

    fn mailbox(max_messages: usize, max_bytes: usize) -> (Arc<Mailbox>, Arc<AtomicU32>) {
        let calls = Arc::new(AtomicU32::new(0));
        let called = calls.clone();
        let bounds = MailBounds {
            max_messages,
            max_bytes,
        };
        let on_mail = move |_: &Arc<Mailbox>| {
            called.fetch_add(1, Ordering::Relaxed);
        };
        let mailbox = Mailbox::new(0, bounds, Arc::default(), Arc::new(on_mail));
        (mailbox, calls)
    }

    #[test]
    fn keeps_order_and_tells_once_that_there_is_mail() {
        let (mailbox, calls) = mailbox(10, 10_000);
        for tag in 0..3 {
            mailbox.put(message(tag, b"x"));
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        for tag in 0..3 {
            assert_eq!(mailbox.take(), Some(message(tag, b"x")));
        }
        assert_eq!(mailbox.take(), None);
        mailbox.put(message(9, b"x"));
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn drops_the_oldest_and_says_so_first() {
        let (mailbox, _) = mailbox(2, 10_000);
        for tag in 0..5 {
            mailbox.put(message(tag, b"x"));
        }
        let Some(Mail::Gap(gap)) = mailbox.take() else {
            panic!("the gap comes first");
        };
        assert_eq!((gap.dropped, gap.reason.as_str()), (3, "overflow"));
        assert_eq!(mailbox.take(), Some(message(3, b"x")));
        assert_eq!(mailbox.take(), Some(message(4, b"x")));
    }

    #[test]
    fn holds_its_bound_in_bytes_but_keeps_one_message() {
        let (mailbox, _) = mailbox(100, 200);
        for tag in 0..5 {
            mailbox.put(message(tag, &[0; 100]));
        }
        assert!(matches!(mailbox.take(), Some(Mail::Gap(gap)) if gap.dropped == 4));
        mailbox.take();
        mailbox.put(message(6, &[0; 1000]));
        assert_eq!(mailbox.take(), Some(message(6, &[0; 1000])));
    }
}
