//! A pub/sub connection: one connection that only receives, for one receiver's topics, maintained
//! forever.
//!
//! It connects when something is wanted and Redis is available, subscribes to all of it, and from
//! then on reconciles what the server sends with what is wanted ([`session`]).

mod pending_replies;
mod push_message;
mod session;

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::RedisStore;
use super::connection::backoff::Backoff;
use super::connection::dial::ByteStream;
use super::connection::endpoint::Endpoint;
use super::connection::login::Notice;
use super::connection::open::{ConnectError, enter};
use crate::io_thread::panics;
use crate::mutex::Mutex;
use crate::store::availability::{Availability, Switch};
pub use crate::store::remote::PubsubEvent;
use crate::store::remote::Receiving;
use crate::store::topics::Topics;

/// A connection that served this long has proved itself: the next attempt need not wait.
const STABLE_AFTER: Duration = Duration::from_secs(1);

/// The pub/sub connections of this process are numbered.
static LAST: AtomicU64 = AtomicU64::new(0);

/// Ends its connection when it is dropped.
pub struct PubsubConnection {
    shared: Arc<PubsubShared>,
    task: AbortHandle,
}

struct PubsubShared {
    number: u64,
    endpoint: Endpoint,
    switch: Arc<Switch<RedisStore>>,
    topics: Arc<Topics>,
    checks: Mutex<Vec<Check>>,
    check_wanted: Notify,
    on_event: Box<dyn Fn(PubsubEvent) + Send + Sync>,
}

/// A caller waits to know that the pub/sub connection works; answered by being dropped.
type Check = oneshot::Sender<()>;

impl PubsubConnection {
    /// Must be called on the I/O thread.
    pub fn start(
        endpoint: Endpoint,
        switch: Arc<Switch<RedisStore>>,
        topics: Arc<Topics>,
        on_event: impl Fn(PubsubEvent) + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(PubsubShared {
            number: LAST.fetch_add(1, Ordering::Relaxed),
            endpoint,
            switch,
            topics,
            checks: Mutex::default(),
            check_wanted: Notify::new(),
            on_event: Box::new(on_event),
        });
        let (broken, kept) = (shared.clone(), shared.clone());
        let tell = move || (broken.on_event)(PubsubEvent::Lost("a failure inside".to_owned()));
        let task = panics::keep(tell, move || {
            let kept = kept.clone();
            async move {
                tokio::select! {
                    () = kept.switch.closed() => {}
                    () = keep(&kept) => {}
                }
            }
        });
        Self { shared, task }
    }

    /// Waits until the server has been seen to send everything that is wanted, and connects now if
    /// necessary. Gives up after one failed attempt. Does not depend on a report that Redis is
    /// ready.
    fn when_restored(&self) -> impl Future<Output = ()> + use<> {
        let shared = self.shared.clone();
        async move {
            if shared.topics.is_empty() {
                return;
            }
            let (check, answered) = oneshot::channel();
            shared.add_checks(vec![check]);
            let within = shared.endpoint.connect_timeout + shared.endpoint.command_timeout;
            let _ = timeout(within, answered).await;
        }
    }
}

impl Receiving for PubsubConnection {
    fn restored(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.when_restored())
    }
}

impl Drop for PubsubConnection {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.hears();
    }
}

impl PubsubShared {
    fn add_checks(&self, checks: Vec<Check>) {
        if checks.is_empty() {
            return;
        }
        let mut waiting = self.checks.lock();
        waiting.extend(checks);
        drop(waiting);
        self.check_wanted.notify_one();
    }

    fn take_checks(&self) -> Vec<Check> {
        mem::take(&mut *self.checks.lock())
    }

    fn has_checks(&self) -> bool {
        let waiting = self.checks.lock();
        waiting.iter().any(|check| !check.is_closed())
    }

    /// Waits until there is a reason to connect: something is wanted, and Redis is ready or a
    /// caller asks.
    async fn called_for(&self) {
        self.topics.any().await;
        while !self.has_checks() {
            tokio::select! {
                () = self.switch.ready() => return,
                () = self.check_wanted.notified() => {}
            }
        }
    }

    /// Nothing is received until a connection can be opened. During an outage that has been
    /// reported already.
    fn is_deaf(&self, error: ConnectError) {
        let reason = match error {
            ConnectError::Unreachable(reason) | ConnectError::Refused(reason) => reason,
            ConnectError::Unfit(unfit) => unfit.0.to_owned(),
        };
        if matches!(self.switch.now(), Availability::Ready(_)) {
            let pubsub_connection = self.number;
            (self.endpoint.on_notice)(Notice::Deaf {
                pubsub_connection,
                reason: reason.clone(),
            });
        }
        (self.on_event)(PubsubEvent::Lost(reason));
    }

    fn hears(&self) {
        (self.endpoint.on_notice)(Notice::Hears {
            pubsub_connection: self.number,
        });
    }

    async fn connect(&self) -> Result<Box<dyn ByteStream>, ConnectError> {
        let within = self.endpoint.connect_timeout;
        let late = ConnectError::Unreachable("no answer in time".into());
        timeout(within, enter(&self.endpoint))
            .await
            .unwrap_or(Err(late))
    }
}

/// Forever.
async fn keep(shared: &Arc<PubsubShared>) {
    let mut backoff = Backoff::default();
    loop {
        shared.called_for().await;
        match shared.connect().await {
            Ok(stream) => {
                let begun = Instant::now();
                let reason = session::run(shared, stream).await;
                (shared.on_event)(PubsubEvent::Lost(reason.to_owned()));
                if begun.elapsed() >= STABLE_AFTER {
                    backoff.reset();
                    continue;
                }
            }
            // The caller has been answered: it does not work.
            Err(error) => {
                drop(shared.take_checks());
                shared.is_deaf(error);
            }
        }
        tokio::select! {
            () = sleep(backoff.next_wait()) => {}
            () = shared.check_wanted.notified() => {}
        }
    }
}
