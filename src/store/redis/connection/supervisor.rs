//! Maintains a link to the server, forever: connects, watches, reconnects. It publishes the state
//! `Connecting → Ready ⇄ Degraded → Closed`, and runs the recovery of the store before every
//! `Ready`.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::backoff::Backoff;
use super::endpoint::Endpoint;
use super::lane::LaneFailure;
use super::link::{Link, LinkHealth};
use super::open::ConnectError;
use super::seeds::Seeds;
use super::zombies::ZombieConnections;
use crate::io_thread::panics::keep;
use crate::store::availability::{Availability, Outage, Recovery, Switch};
use crate::store::redis::RedisStore;
use crate::store::{Key, StoreError};

/// With the deadline of a command on top, a dead connection is found within 2 s by default.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Out of memory, Redis still deletes; a delete then need not wait for the end of the outage.
const STILL_DELETES: &str = "OOM";
/// The reason of an outage caused by a bug in this package.
const FAILED_INSIDE: &str = "redis-backplane failed inside; this is a bug in it";
/// A problem that only a person can solve is retried slowly.
const NEEDS_A_PERSON: &[&str] = &["NOAUTH", "NOPERM", "WRONGPASS"];

pub type LinkState = Availability<RedisStore>;

/// Ends everything when it is dropped.
pub struct Supervisor {
    switch: Arc<Switch<RedisStore>>,
    task: AbortHandle,
}

impl Supervisor {
    /// Starts the first attempt. Must be called on the I/O thread.
    pub fn start<R: Recovery<RedisStore>>(
        endpoint: Endpoint,
        probe_key: Key,
        recovery: Arc<R>,
        switch: Arc<Switch<RedisStore>>,
    ) -> Self {
        switch.set(LinkState::Connecting);
        let keeper = Arc::new(LinkKeeper {
            endpoint: Arc::new(endpoint),
            probe_key,
            recovery,
            zombies: Arc::default(),
            switch: switch.clone(),
        });
        let broken = keeper.clone();
        let task = keep(
            move || broken.degrade(FAILED_INSIDE, None),
            move || keeper.clone().run(),
        );
        Self { switch, task }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.task.abort();
        self.switch.set(LinkState::Closed);
    }
}

struct LinkKeeper<R> {
    endpoint: Arc<Endpoint>,
    probe_key: Key,
    recovery: Arc<R>,
    zombies: Arc<ZombieConnections>,
    switch: Arc<Switch<RedisStore>>,
}

impl<R: Recovery<RedisStore>> LinkKeeper<R> {
    async fn run(self: Arc<Self>) {
        let mut backoff = Backoff::default();
        loop {
            let health = self.health();
            match self.attempt(health.clone(), &mut backoff).await {
                LaneFailure::Closed if health.is_stable() => {
                    backoff.reset();
                    continue;
                }
                LaneFailure::Refused(code) if NEEDS_A_PERSON.contains(&code.as_str()) => {
                    backoff.slow_down();
                }
                _ if health.is_stable() => backoff.reset(),
                _ => {}
            }
            if self.passes_on(&health) {
                continue;
            }
            self.let_go();
            sleep(backoff.next_wait()).await;
        }
    }

    /// Whether another host is tried next, immediately. One that has served is tried again first.
    fn passes_on(&self, health: &LinkHealth) -> bool {
        let Some(seeds) = self.endpoint.seeds() else {
            return false;
        };
        if health.was_ready() {
            seeds.begin_round();
            return false;
        }
        seeds.pass_on()
    }

    /// One link, from its first byte to its end. Returns how it ended.
    async fn attempt(&self, health: Arc<LinkHealth>, backoff: &mut Backoff) -> LaneFailure {
        let link = Link::establish(
            self.endpoint.clone(),
            self.probe_key.clone(),
            self.zombies.clone(),
            health,
        );
        match link.await {
            Ok(link) => self.serve(Arc::new(RedisStore::new(link)), backoff).await,
            Err(ConnectError::Refused(code)) => {
                self.degrade(&code, None);
                LaneFailure::Refused(code)
            }
            Err(ConnectError::Unfit(unfit)) => {
                self.degrade(unfit.0, None);
                LaneFailure::Unfit(unfit)
            }
            Err(ConnectError::Unreachable(reason)) => {
                self.degrade(&reason, None);
                LaneFailure::Silent
            }
        }
    }

    async fn serve(&self, store: Arc<RedisStore>, backoff: &mut Backoff) -> LaneFailure {
        loop {
            match self.admit(&store).await {
                Ok(()) => match self.watch(&store).await {
                    LaneFailure::Refused(code) if code == STILL_DELETES => {}
                    end => return end,
                },
                Err(StoreError::Refused(code)) if code == STILL_DELETES => {
                    self.degrade(&code, Some(store.clone()));
                }
                Err(StoreError::Refused(code)) => {
                    self.degrade(&code, None);
                    return LaneFailure::Refused(code);
                }
                Err(error) => {
                    self.degrade(&error.to_string(), None);
                    return LaneFailure::Silent;
                }
            }
            sleep(backoff.next_wait()).await;
            store.link().health().clear();
        }
    }

    /// Admits calls once the server would serve and knows everything it must know.
    async fn admit(&self, store: &Arc<RedisStore>) -> Result<(), StoreError> {
        store.link().probe().await?;
        let hold = || self.switch.set(LinkState::Connecting);
        let open = || {
            // Its end may have come together with its last answer.
            if !store.link().health().is_lost() {
                store.link().health().became_ready();
                self.switch.set(LinkState::Ready(store.clone()));
            }
        };
        self.recovery.recover(store, hold, open).await
    }

    async fn watch(&self, store: &Arc<RedisStore>) -> LaneFailure {
        let link = store.link();
        for number in 0.. {
            tokio::select! {
                failure = link.health().failed() => return failure,
                () = sleep(HEARTBEAT) => link.heartbeat(number).await,
            }
        }
        LaneFailure::Closed
    }

    /// A link's health, which ends `Ready` the moment it fails, before any caller is told.
    fn health(&self) -> Arc<LinkHealth> {
        let switch = self.switch.clone();
        LinkHealth::new(move |health, failure| {
            switch.change(|state| match state {
                LinkState::Ready(store) if std::ptr::eq(&**store.link().health(), health) => {
                    Some(after(failure, health.is_stable(), store.clone()))
                }
                _ => None,
            });
        })
    }

    /// No caller waits while nothing is tried.
    fn let_go(&self) {
        let reason = "the connection was closed".to_owned();
        self.switch.change(|state| {
            (!matches!(state, LinkState::Degraded(_))).then_some(LinkState::Degraded(Outage {
                reason,
                refusing: None,
            }))
        });
    }

    /// Not before all hosts have been tried.
    fn degrade(&self, reason: &str, refusing: Option<Arc<RedisStore>>) {
        let has_another = self.endpoint.seeds().is_some_and(Seeds::has_another);
        if has_another && refusing.is_none() {
            return;
        }
        self.switch.set(LinkState::Degraded(Outage {
            reason: reason.to_owned(),
            refusing,
        }));
    }
}

/// A working connection that ends may just have been closed (`timeout` on the server,
/// `CLIENT KILL`, a restart): calls wait for one attempt before Redis counts as unavailable.
fn after(failure: &LaneFailure, stable: bool, store: Arc<RedisStore>) -> LinkState {
    let keeps_connection = *failure == LaneFailure::Refused(STILL_DELETES.to_owned());
    if !keeps_connection {
        store.link().end();
    }
    let (reason, refusing) = match failure {
        LaneFailure::Closed if stable => return LinkState::Connecting,
        LaneFailure::Closed => ("the connection was closed".to_owned(), None),
        LaneFailure::Silent => ("no answer in time".to_owned(), None),
        LaneFailure::Unfit(unfit) => (unfit.0.to_owned(), None),
        LaneFailure::Refused(code) => (code.clone(), keeps_connection.then_some(store)),
    };
    LinkState::Degraded(Outage { reason, refusing })
}
