//! Whether the remote store is available, and what has to happen before it is used again.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use super::Result;

/// `Idle → Connecting → Ready ⇄ Degraded → Closed`.
#[derive(Debug)]
pub enum Availability<S> {
    /// No attempt has been made.
    Idle,
    /// An attempt is in progress and nothing is known yet; calls wait for its outcome.
    Connecting,
    Ready(Arc<S>),
    Degraded(Outage<S>),
    Closed,
}

#[derive(Debug)]
pub struct Outage<S> {
    /// For humans: says why, contains no secret.
    pub reason: String,
    /// A server that answers but refuses to serve; deletes may still work there.
    pub refusing: Option<Arc<S>>,
}

impl<S> Availability<S> {
    /// Whether it is known if the store is available.
    pub fn is_resolved(&self) -> bool {
        !matches!(self, Self::Idle | Self::Connecting)
    }

    /// The store that may be working: ready, or refusing.
    pub fn store(self) -> Option<Arc<S>> {
        match self {
            Self::Ready(store) => Some(store),
            Self::Degraded(outage) => outage.refusing,
            _ => None,
        }
    }
}

impl<S> Clone for Availability<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Idle => Self::Idle,
            Self::Connecting => Self::Connecting,
            Self::Ready(store) => Self::Ready(store.clone()),
            Self::Degraded(outage) => Self::Degraded(Outage {
                reason: outage.reason.clone(),
                refusing: outage.refusing.clone(),
            }),
            Self::Closed => Self::Closed,
        }
    }
}

/// Holds the state: the keeper of the remote store sets it, all others read it.
///
/// The listener is told of every change, in order, before any reader can act on it.
pub struct Switch<S> {
    state: watch::Sender<Availability<S>>,
    listener: StateListener<S>,
    was_resolved: AtomicBool,
}

type StateListener<S> = Box<dyn Fn(&Availability<S>) + Send + Sync>;

impl<S> Switch<S> {
    pub fn new(listener: impl Fn(&Availability<S>) + Send + Sync + 'static) -> Self {
        Self {
            state: watch::Sender::new(Availability::Idle),
            listener: Box::new(listener),
            was_resolved: AtomicBool::new(false),
        }
    }

    pub fn now(&self) -> Availability<S> {
        self.state.borrow().clone()
    }

    pub fn set(&self, next: Availability<S>) {
        self.change(|_| Some(next));
    }

    /// Changes the state if `next` finds a reason to. Closed stays closed.
    pub fn change(&self, next: impl FnOnce(&Availability<S>) -> Option<Availability<S>>) {
        self.state.send_if_modified(|state| {
            if matches!(state, Availability::Closed) {
                return false;
            }
            let Some(next) = next(state) else {
                return false;
            };
            *state = next;
            if state.is_resolved() {
                self.was_resolved.store(true, Ordering::Relaxed);
            }
            (self.listener)(state);
            true
        });
    }

    /// Whether nothing has ever been known: the first attempt is in progress, or has not started.
    pub fn is_first_attempt(&self) -> bool {
        !self.was_resolved.load(Ordering::Relaxed)
    }

    /// The store, as soon as it is ready; `None` as soon as it is known not to be.
    pub async fn resolved(&self) -> Option<Arc<S>> {
        let mut receiver = self.state.subscribe();
        match receiver
            .wait_for(Availability::is_resolved)
            .await
            .as_deref()
        {
            Ok(Availability::Ready(store)) => Some(store.clone()),
            _ => None,
        }
    }
}

impl<S> Switch<S> {
    /// Waits until the store is ready; forever, once it is closed.
    pub async fn ready(&self) {
        self.is(|state| matches!(state, Availability::Ready(_)))
            .await;
    }

    pub async fn closed(&self) {
        self.is(|state| matches!(state, Availability::Closed)).await;
    }

    async fn is(&self, wanted: impl FnMut(&Availability<S>) -> bool) {
        // The sender lives as long as this switch.
        let _ = self.state.subscribe().wait_for(wanted).await;
    }
}

/// Brings the remote store up to date before the first call is sent there.
pub trait Recovery<S>: Send + Sync + 'static {
    /// Repeats until nothing is left to do, then calls `open` without yielding the thread in
    /// between, so that nothing can be added after the last look. `hold` makes calls wait if they
    /// would add more indefinitely.
    fn recover(
        &self,
        store: &S,
        hold: impl Fn() + Send,
        open: impl FnOnce() + Send,
    ) -> impl Future<Output = Result<()>> + Send;
}
