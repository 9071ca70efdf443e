//! The operations on locks that callers can use.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::{LeaseTerm, LockLease, WakeListener, WhenUnavailable};
use crate::backplane::Backplane;
use crate::mutex::Mutex;
use crate::store::availability::Availability;
use crate::store::locks::{LockKeys, QueueTurn, Taken, Token};
use crate::store::remote::Remote;
use crate::store::{StoreError, Ttl};

/// How often every waiter checks by itself, in case a call was lost.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// When to try again after a lease that had ended before its answer arrived.
const TOO_LATE_AGAIN: Duration = Duration::from_millis(50);
pub struct LockRequest {
    pub name: Arc<[u8]>,
    /// A number greater than all earlier ones, which identifies the lease afterwards.
    pub handle: u64,
    pub ttl: Ttl,
    /// How long to wait for others; `None`: indefinitely.
    pub wait: Option<Duration>,
    pub keeping: Keeping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// Until it is released by its handle, or ends.
    Owned,
    /// Renewed until it is released by its handle.
    Renewed,
    /// Until it is released by its name, or ends.
    Named,
}

pub enum LockOutcome {
    Granted {
        token: Token,
        fence: u64,
    },
    Denied,
    /// The backplane was closed meanwhile.
    Closed,
}

/// One call, and what it holds if it is granted.
struct LockAttempt {
    request: LockRequest,
    keys: LockKeys,
    token: Token,
    /// Redis may have granted it.
    was_sent: AtomicBool,
}

/// The outcome of one try.
enum AttemptOutcome {
    Granted {
        fence: u64,
        term: LeaseTerm,
    },
    Denied {
        /// When to look again, if that is known.
        free_in: Option<Duration>,
        /// Its place in the queue on Redis (`true`) or in this process.
        place: Option<(u64, bool)>,
    },
}

impl AttemptOutcome {
    const NOT_ANSWERED: Self = Self::Denied {
        free_in: None,
        place: None,
    };
}

impl<R: Remote> Backplane<R> {
    pub async fn lock_take(self: &Arc<Self>, request: LockRequest) -> LockOutcome {
        let attempt = LockAttempt {
            keys: self.locks.keys(&request.name),
            token: self.locks.address.token(),
            was_sent: AtomicBool::new(false),
            request,
        };
        if attempt.request.wait != Some(Duration::ZERO) {
            return Box::pin(self.lock_wait(attempt)).await;
        }
        let tried = Box::pin(self.lock_try(&attempt, QueueTurn::No, QueueTurn::No)).await;
        if let AttemptOutcome::Granted { fence, term } = tried
            && let Some(granted) = self.lock_hold(&attempt, fence, term)
        {
            return granted;
        }
        if attempt.was_sent.load(Ordering::Relaxed) {
            let backplane = self.clone();
            let name = attempt.request.name.clone();
            tokio::spawn(async move { backplane.lock_give(&name, attempt.token).await });
        }
        LockOutcome::Denied
    }

    /// Ends a lease. Returns whether it was still held.
    pub async fn lock_release(&self, handle: u64) -> bool {
        if let Some(lease) = self.locks.leases.get(handle) {
            self.lock_keep_until_given(&lease.name);
        }
        match self.locks.leases.remove(handle) {
            Some(lease) => self.lock_give(&lease.name, lease.token).await,
            None => false,
        }
    }

    pub async fn lock_release_named(&self, name: &[u8]) -> bool {
        self.lock_keep_until_given(name);
        match self.locks.leases.remove_named(name) {
            Some(lease) => self.lock_give(&lease.name, lease.token).await,
            None => false,
        }
    }

    /// While Redis is unavailable, what it has granted is given back in memory.
    fn lock_keep_until_given(&self, name: &[u8]) {
        if matches!(self.switch.now(), Availability::Degraded(_)) {
            self.locks.occupy_granted(name);
        }
    }

    /// Makes a lease end after this time from now. Returns whether it does.
    pub async fn lock_extend(&self, handle: u64, ttl: Ttl) -> bool {
        match self.locks.leases.get(handle) {
            Some(lease) => self.lock_extend_lease(&lease, ttl).await,
            None => false,
        }
    }

    /// Ends the wait of this handle.
    pub fn lock_cancel(&self, handle: u64) {
        self.locks.waiters.cancel(handle);
    }

    /// For how many ms a lease is certain to last. Callable from any thread.
    pub fn lock_certain_ms(&self, handle: u64) -> f64 {
        self.locks.certain_ms(handle)
    }

    /// Tries once, with its place in the queue on Redis and in the one here.
    async fn lock_try(
        &self,
        attempt: &LockAttempt,
        on_redis: QueueTurn,
        here: QueueTurn,
    ) -> AttemptOutcome {
        let (keys, token, ttl) = (&attempt.keys, attempt.token, attempt.request.ttl);
        let known_fence = self.locks.fences.greatest();
        let asked = self
            .on_remote(|store| async move {
                let since = Instant::now();
                attempt.was_sent.store(true, Ordering::Relaxed);
                let taken = store.take(keys, token, ttl, on_redis, known_fence).await;
                if !matches!(taken, Err(StoreError::Lost | StoreError::TimedOut)) {
                    attempt.was_sent.store(false, Ordering::Relaxed);
                }
                taken.map(|taken| (taken, LeaseTerm::new(since, ttl, true)))
            })
            .await;
        let (taken, term) = match asked {
            Some(Ok((taken, term))) => (taken, term),
            Some(Err(_)) => return AttemptOutcome::NOT_ANSWERED,
            None if self.locks.when_unavailable == WhenUnavailable::Deny => {
                return AttemptOutcome::NOT_ANSWERED;
            }
            None => {
                self.locks.occupy_granted(&attempt.request.name);
                let (known, term) = (
                    self.locks.fences.estimate(),
                    LeaseTerm::new(Instant::now(), ttl, false),
                );
                (
                    self.locks.memory.take_now(keys, token, ttl, here, known),
                    term,
                )
            }
        };
        match taken {
            Taken::Granted { fence } => AttemptOutcome::Granted { fence, term },
            Taken::Denied { free_in, place } => AttemptOutcome::Denied {
                free_in,
                place: Some((place, term.on_redis)),
            },
        }
    }

    /// Records a granted lease. If it has already ended or there is no room, it is released
    /// instead.
    fn lock_hold(
        self: &Arc<Self>,
        attempt: &LockAttempt,
        fence: u64,
        term: LeaseTerm,
    ) -> Option<LockOutcome> {
        let (request, token) = (&attempt.request, attempt.token);
        let is_ready = matches!(self.switch.now(), Availability::Ready(_));
        let lease = Arc::new(LockLease {
            handle: request.handle,
            name: request.name.clone(),
            token,
            is_named: request.keeping == Keeping::Named,
            term: Mutex::new(LeaseTerm {
                in_doubt: !term.on_redis || !is_ready,
                ..term
            }),
            asked: AtomicU64::new(0),
            renewal: OnceLock::new(),
        });
        if term.certain().is_zero() || !self.locks.leases.add(&lease) {
            let (backplane, name) = (self.clone(), request.name.clone());
            tokio::spawn(async move { backplane.lock_give(&name, token).await });
            return None;
        }
        self.locks.fences.given(fence, term.on_redis);
        if term.on_redis && !is_ready {
            self.locks.occupy(&lease);
        }
        if request.keeping == Keeping::Renewed {
            lease
                .renewal
                .get_or_init(|| self.lock_renew(request.handle, request.ttl));
        }
        Some(LockOutcome::Granted { token, fence })
    }

    async fn lock_wait(self: &Arc<Self>, mut attempt: LockAttempt) -> LockOutcome {
        let request = &attempt.request;
        let until = request
            .wait
            .and_then(|wait| Instant::now().checked_add(wait));
        let Some(mut wait) = self
            .locks
            .waiters
            .enter(request.handle, attempt.token, &request.name)
        else {
            return LockOutcome::Denied;
        };
        let mut can_be_called = self.locks.listener().is_some();
        let (mut on_redis, mut here) = (QueueTurn::New, QueueTurn::New);
        loop {
            let free_in = match self.lock_try(&attempt, on_redis, here).await {
                // The caller has been told that it is over.
                AttemptOutcome::Granted { .. } if wait.is_cancelled() => break,
                AttemptOutcome::Granted { fence, term } => {
                    match self.lock_hold(&attempt, fence, term) {
                        Some(granted) => return granted,
                        None => {
                            // A lock that was granted too late is released by its token, whenever
                            // the release reaches the server. So the next attempt must use another
                            // token.
                            drop(wait);
                            attempt.token = self.locks.address.token();
                            let waiters = &self.locks.waiters;
                            let Some(again) =
                                waiters.enter(request.handle, attempt.token, &request.name)
                            else {
                                return LockOutcome::Denied;
                            };
                            wait = again;
                            (on_redis, here) = (QueueTurn::New, QueueTurn::New);
                            Some(TOO_LATE_AGAIN)
                        }
                    }
                }
                AttemptOutcome::Denied { free_in, place } => {
                    match place {
                        // There was no room in the queue.
                        Some((0, _)) => {}
                        Some((place, true)) => on_redis = QueueTurn::Place(place),
                        Some((place, false)) => here = QueueTurn::Place(place),
                        None => {}
                    }
                    free_in
                }
            };
            if !can_be_called {
                can_be_called = true;
                self.lock_listen(until).await;
                if until.is_none_or(|until| Instant::now() < until) {
                    // It may have been called before.
                    continue;
                }
            }
            let look_in = free_in.unwrap_or(LOOK_EVERY).min(LOOK_EVERY);
            if !wait.is_woken(Instant::now() + look_in, until).await {
                break;
            }
        }
        drop(wait);
        let (backplane, name, token) = (self.clone(), request.name.clone(), attempt.token);
        let given = tokio::spawn(async move { backplane.lock_give(&name, token).await });
        if self.locks.waiters.are_over() {
            let _ = given.await;
            return LockOutcome::Closed;
        }
        LockOutcome::Denied
    }

    /// Makes sure that this process can be called, if Redis is available.
    async fn lock_listen(&self, until: Option<Instant>) {
        let listener = {
            let mut known = self.locks.listener();
            let new = || {
                Arc::new(WakeListener::new(
                    &self.locks,
                    &self.surroundings,
                    self.prefix(),
                ))
            };
            known.get_or_insert_with(new).clone()
        };
        let wait = self.wait(Instant::now());
        let by = until.map_or(wait.answer_by(), |until| until.min(wait.answer_by()));
        let settled = async {
            if self.store_within(&wait).await.is_some() {
                listener.topics.resolved(&listener.channel).await;
            }
        };
        let _ = timeout_at(by.into(), settled).await;
    }

    async fn lock_give(&self, name: &Arc<[u8]>, token: Token) -> bool {
        let keys = &self.locks.keys(name);
        let given = self.tell_remote(Instant::now(), |store| async move {
            store.give(keys, token).await
        });
        match given.await {
            Some(Ok(was_held)) => was_held,
            Some(Err(_)) => {
                self.locks.give_later(name, token);
                false
            }
            None => {
                self.locks.give_later(name, token);
                let was_held = self.locks.memory.give_now(keys, token);
                if let Some(server) = self.refusing() {
                    // This only informs the others sooner.
                    let _ = server.give(keys, token).await;
                }
                was_held
            }
        }
    }
}
