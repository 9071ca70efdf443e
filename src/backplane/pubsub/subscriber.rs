//! Receivers of messages: each subscriber has its own topics, its own connection and its own
//! mailbox.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::AbortHandle;

use super::mailbox::{Gap, Mail, MailBounds, Mailbox, OnMail};
use crate::backplane::stats::pubsub_stats::PubsubStats;
use crate::backplane::{Event, OnEvent};
use crate::io_thread::panics::keep;
use crate::mutex::{Mutex, MutexGuard};
use crate::store::availability::Availability;
use crate::store::memory::budget::Account;
use crate::store::memory::bus::LocalBus;
use crate::store::remote::{PubsubEvent, Receive, Receiving};
use crate::store::topics::{Message, Topics};

pub struct Subscriber {
    pub topics: Arc<Topics>,
    pubsub_connection: Box<dyn Receiving>,
    watch: Arc<GapWatch>,
}

/// What is needed to create a subscriber.
pub struct Surroundings {
    pub receive: Receive,
    /// Prefix of every channel, which its subscriber does not see.
    pub prefix_bytes: usize,
    pub bounds: MailBounds,
    /// Of the subscriptions.
    pub subscriptions: Account,
    pub pubsub_stats: Arc<PubsubStats>,
    pub on_mail: OnMail,
    pub on_event: OnEvent,
}

impl Surroundings {
    /// Restarts a task that panics, and reports that as an event. Must be called on the I/O thread.
    pub fn keep_going<F>(
        &self,
        what: &'static str,
        make: impl FnMut() -> F + Send + 'static,
    ) -> AbortHandle
    where
        F: Future<Output = ()> + Send,
    {
        let on_event = self.on_event.clone();
        keep(move || on_event(Event::Failed { what }), make)
    }
}

impl Subscriber {
    /// Must be called on the I/O thread.
    fn new(number: u32, outage: Option<String>, around: &Surroundings) -> Arc<Self> {
        let (pubsub_stats, on_mail) = (around.pubsub_stats.clone(), around.on_mail.clone());
        let mailbox = Mailbox::new(number, around.bounds, pubsub_stats, on_mail);
        let topics = {
            let (mailbox, prefix_bytes) = (mailbox.clone(), around.prefix_bytes);
            let deliver = move |message| {
                mailbox.put(Mail::Message(without_prefix(message, prefix_bytes)));
            };
            Topics::counted(around.subscriptions.clone(), Box::new(deliver))
        };
        let watch = Arc::new(GapWatch {
            topics: topics.clone(),
            mailbox,
            state: Mutex::new(GapReasons {
                outage,
                ..GapReasons::default()
            }),
        });
        let watched = watch.clone();
        let pubsub_connection = (around.receive)(
            topics.clone(),
            Box::new(move |event| match event {
                PubsubEvent::Restored => watched.connection_restored(),
                PubsubEvent::Lost(reason) => watched.connection_lost(&reason),
                PubsubEvent::Refused => {}
            }),
        );
        Arc::new(Self {
            topics,
            pubsub_connection,
            watch,
        })
    }

    /// Must be called when a topic has been added.
    pub fn listens(&self) {
        self.watch.listens();
    }
}

fn without_prefix(message: Message, prefix_bytes: usize) -> Message {
    let strip = |channel: bytes::Bytes| channel.slice(prefix_bytes.min(channel.len())..);
    Message {
        channel: message.channel.map(strip),
        ..message
    }
}

/// Notices when messages may be missed, from the first cause until everything is restored.
struct GapWatch {
    topics: Arc<Topics>,
    mailbox: Arc<Mailbox>,
    state: Mutex<GapReasons>,
}

#[derive(Default)]
struct GapReasons {
    /// Why Redis is unavailable.
    outage: Option<String>,
    connection_is_lost: bool,
    open: Option<(SystemTime, String)>,
}

impl GapWatch {
    fn listens(&self) {
        let mut state = self.state();
        if let Some(reason) = state.outage.clone() {
            self.open(&mut state, &reason);
        }
    }

    fn connection_lost(&self, reason: &str) {
        let mut state = self.state();
        state.connection_is_lost = true;
        self.open(&mut state, reason);
    }

    fn connection_restored(&self) {
        let mut state = self.state();
        state.connection_is_lost = false;
        self.close_if_whole(&mut state);
    }

    fn follow<S>(&self, redis: &Availability<S>) {
        let mut state = self.state();
        match redis {
            Availability::Degraded(outage) => {
                state.outage = Some(outage.reason.clone());
                self.open(&mut state, &outage.reason);
            }
            Availability::Ready(_) => {
                state.outage = None;
                self.close_if_whole(&mut state);
            }
            _ => {}
        }
    }

    fn open(&self, state: &mut GapReasons, reason: &str) {
        if state.open.is_none() && !self.topics.is_empty() {
            state.open = Some((SystemTime::now(), reason.to_owned()));
        }
    }

    fn close_if_whole(&self, state: &mut GapReasons) {
        if state.connection_is_lost || state.outage.is_some() {
            return;
        }
        if let Some((since, reason)) = state.open.take() {
            self.mailbox.put(Mail::Gap(Gap {
                since,
                until: SystemTime::now(),
                reason,
                dropped: 0,
            }));
        }
    }

    fn state(&self) -> MutexGuard<'_, GapReasons> {
        self.state.lock()
    }
}

/// The subscribers of a backplane, by number, and the bus between them.
#[derive(Default)]
pub struct Subscribers {
    pub local: LocalBus,
    all: Mutex<HashMap<u32, Arc<Subscriber>>>,
}

impl Subscribers {
    pub fn get(&self, number: u32) -> Option<Arc<Subscriber>> {
        self.all().get(&number).cloned()
    }

    /// Makes it when it is first asked for; `outage`: why Redis is unavailable, if it is. To be called on the I/O thread.
    pub fn get_or_make(
        &self,
        number: u32,
        outage: Option<String>,
        around: &Surroundings,
    ) -> Arc<Subscriber> {
        let mut all = self.all();
        let made = all.entry(number).or_insert_with(|| {
            let subscriber = Subscriber::new(number, outage, around);
            self.local.attach(&subscriber.topics);
            subscriber
        });
        made.clone()
    }

    pub fn remove(&self, number: u32) {
        self.all().remove(&number);
    }

    pub fn clear(&self) {
        self.all().clear();
    }

    /// Messages that nobody has taken yet, and their bytes.
    pub fn waiting(&self) -> (usize, usize) {
        let each = self.all();
        let waiting = each
            .values()
            .map(|subscriber| subscriber.watch.mailbox.waiting());
        waiting.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// Called on every change of state.
    pub fn follow<S>(&self, redis: &Availability<S>) {
        for subscriber in self.all().values() {
            subscriber.watch.follow(redis);
        }
    }

    /// Waits until every subscriber receives from the server again, or cannot.
    pub async fn restored(&self) {
        let waiting: Vec<_> = self
            .all()
            .values()
            .map(|subscriber| tokio::spawn(subscriber.pubsub_connection.restored()))
            .collect();
        for restored in waiting {
            let _ = restored.await;
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<u32, Arc<Subscriber>>> {
        self.all.lock()
    }
}
