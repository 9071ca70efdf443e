//! Where a call is sent: to Redis, to Redis again after a lost connection, or to this process.

pub mod call_order;
pub mod deadline;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::Backplane;
use super::stats::call_stats::{answered_here, overdue};
use crate::store::availability::Availability;
use crate::store::remote::Remote;
use crate::store::remote::deadline::{heard, scoped};
use crate::store::{Result, StoreError};
use call_order::{CallTurn, OnTheWay};
use deadline::CallDeadline;

/// How long a call beyond its deadline waits for earlier calls, to preserve the order.
const STRAGGLERS: Duration = Duration::from_millis(50);
/// A silent connection is detected when its last command has waited for its deadline, which began
/// after that of the call.
const VERDICT: Duration = Duration::from_millis(40);

/// The purpose of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// It asks something: the answer is useless after the deadline.
    Ask,
    /// It changes something and is not dropped: see [`Backplane::told`].
    Tell,
}

/// The outcome of an operation that is done at most once.
pub(super) enum AtMostOnce<T> {
    Answered(Result<T>),
    /// It was sent, and its answer was lost.
    Unknown,
    /// It was not carried out: Redis is unavailable, and this process has to answer.
    Unavailable,
}

impl<R: Remote> Backplane<R> {
    /// Carries out an operation on Redis. `None` means that Redis is unavailable and that this
    /// process has to answer, before anything else is awaited.
    ///
    /// An operation whose answer was lost is carried out again, within the deadline of the call:
    /// every operation of a store has the same effect when it is done twice.
    pub(super) async fn on_remote<T, F>(&self, operation: impl Fn(Arc<R>) -> F) -> Option<Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        self.on_remote_since(Instant::now(), operation).await
    }

    /// Like [`Self::on_remote`], for a call that began earlier.
    pub(super) async fn on_remote_since<T, F>(
        &self,
        begun: Instant,
        operation: impl Fn(Arc<R>) -> F,
    ) -> Option<Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        let outcome = self
            .on_remote_or_unavailable(Purpose::Ask, begun, operation)
            .await;
        if outcome.is_none() {
            answered_here();
        }
        outcome
    }

    /// Like [`Self::on_remote_since`], for a call that changes something: Redis carries out the
    /// operation, or `None` makes this process remember it, however long that takes. An operation
    /// of several steps runs within [`Self::told`], so that its call is answered in time.
    pub(super) async fn tell_remote<T, F>(
        &self,
        begun: Instant,
        operation: impl Fn(Arc<R>) -> F,
    ) -> Option<Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        let outcome = self
            .on_remote_or_unavailable(Purpose::Tell, begun, operation)
            .await;
        if outcome.is_none() {
            answered_here();
        }
        outcome
    }

    /// Answers a call at its deadline as one that is remembered, and continues with `work`
    /// nevertheless: until Redis has the change, or is unavailable and this process remembers it.
    pub(super) async fn told<T>(&self, begun: Instant, work: impl Future<Output = T>) -> T {
        let work = scoped(work);
        let (scope, mut work) = (work.scope.clone(), pin!(work));
        let wait = self.wait(begun);
        let by = wait.latest() + VERDICT;
        match heard(by.into(), wait.command_timeout, scope, &mut work).await {
            Ok(outcome) => outcome,
            Err(_) => {
                overdue();
                work.await
            }
        }
    }

    async fn on_remote_or_unavailable<T, F>(
        &self,
        kind: Purpose,
        begun: Instant,
        operation: impl Fn(Arc<R>) -> F,
    ) -> Option<Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        let ticket = self.call_order.ticket();
        if let Some((store, on_the_way)) = self.at_once() {
            let outcome = match kind == Purpose::Tell && store.has_large_writes() {
                true => Box::pin(self.told(begun, operation(store))).await,
                false => operation(store).await,
            };
            match outcome {
                Err(StoreError::TimedOut) if self.is_ready() => {
                    return Some(Err(StoreError::TimedOut));
                }
                Err(StoreError::Lost | StoreError::Refused(_) | StoreError::TimedOut) => {
                    let on_the_way = Some(on_the_way);
                    let later = self.on_remote_later(kind, ticket, begun, operation, on_the_way);
                    return Box::pin(later).await;
                }
                outcome => return Some(outcome),
            }
        }
        Box::pin(self.on_remote_later(kind, ticket, begun, operation, None)).await
    }

    /// `was_on_the_way` ends when the call waits for its turn.
    async fn on_remote_later<T, F>(
        &self,
        kind: Purpose,
        ticket: u64,
        begun: Instant,
        operation: impl Fn(Arc<R>) -> F,
        was_on_the_way: Option<OnTheWay>,
    ) -> Option<Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        match kind {
            Purpose::Ask => {
                self.ask_in_turn(ticket, begun, operation, was_on_the_way)
                    .await
            }
            Purpose::Tell => {
                let work = self.tell_in_turn(ticket, begun, operation, was_on_the_way);
                self.told(begun, work).await
            }
        }
    }

    /// Like [`Self::on_remote`], for an operation that must not be done twice: once it may have
    /// been carried out it is not sent again, and the outcome is [`AtMostOnce::Unknown`].
    pub(super) async fn on_remote_once<T, F>(
        &self,
        operation: impl Fn(Arc<R>) -> F,
    ) -> AtMostOnce<T>
    where
        F: Future<Output = Result<T>>,
    {
        let (operation, was_sent) = (&operation, &AtomicBool::new(false));
        let answered = self.on_remote(|store| async move {
            if was_sent.swap(true, Ordering::Relaxed) {
                return Ok(None);
            }
            match operation(store).await {
                Err(StoreError::Lost | StoreError::TimedOut) => Ok(None),
                Err(refused @ StoreError::Refused(_)) => {
                    was_sent.store(false, Ordering::Relaxed);
                    Err(refused)
                }
                other => other.map(Some),
            }
        });
        match answered.await {
            Some(Ok(Some(answer))) => AtMostOnce::Answered(Ok(answer)),
            Some(Err(StoreError::TimedOut)) | None if !was_sent.load(Ordering::Relaxed) => {
                AtMostOnce::Unavailable
            }
            Some(Ok(None) | Err(StoreError::TimedOut)) | None => AtMostOnce::Unknown,
            Some(Err(error)) => AtMostOnce::Answered(Err(error)),
        }
    }

    /// Calls wait for the end of a recovery. None of them adds to its work, or it would never end.
    fn is_held(&self) -> bool {
        self.recovering.is_under_way() && matches!(self.switch.now(), Availability::Connecting)
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.switch.now(), Availability::Ready(_))
    }

    /// Redis, if it is ready and no other call has to go first.
    fn at_once(&self) -> Option<(Arc<R>, OnTheWay)> {
        let Availability::Ready(store) = self.switch.now() else {
            return None;
        };
        self.call_order
            .are_free()
            .then(|| (store, self.call_order.set_out()))
    }

    /// Waits for its turn and for the answer, as long as the call may take.
    async fn ask_in_turn<T, F>(
        &self,
        ticket: u64,
        begun: Instant,
        operation: impl Fn(Arc<R>) -> F,
        was_on_the_way: Option<OnTheWay>,
    ) -> Option<Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        let wait = self.wait(begun);
        let mut on_the_way = was_on_the_way;
        let mut answer_by = None;
        loop {
            let turn = self.turn(ticket, &wait, on_the_way.take()).await;
            let Availability::Ready(store) = self.switch.now() else {
                // An earlier change is still waiting, and is not known here.
                if turn.is_none() && self.is_held() {
                    return Some(Err(StoreError::TimedOut));
                }
                // Unavailable, or silent for the whole deadline: it counts as unavailable, whatever
                // comes later.
                return None;
            };
            if turn.is_none() {
                return Some(Err(StoreError::TimedOut));
            }
            on_the_way = Some(self.call_order.set_out());
            let deadline = *answer_by.get_or_insert_with(|| wait.answer_by());
            let work = scoped(operation(store.clone()));
            let scope = work.scope.clone();
            let sent = begin(work).await;
            drop(turn);
            match heard(deadline.into(), wait.command_timeout, scope, sent).await {
                Ok(Err(StoreError::Lost | StoreError::Refused(_))) => {}
                Ok(outcome) => return Some(outcome),
                Err(_) => return Some(Err(StoreError::TimedOut)),
            }
        }
    }

    /// Waits for its turn as long as the call may take, and again if it has to be repeated after
    /// that: the caller has been answered then, and the call has a new deadline.
    async fn tell_in_turn<T, F>(
        &self,
        ticket: u64,
        begun: Instant,
        operation: impl Fn(Arc<R>) -> F,
        was_on_the_way: Option<OnTheWay>,
    ) -> Option<Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        let mut on_the_way = was_on_the_way;
        let mut begun = begun;
        loop {
            if self.time_left(begun).is_over() {
                begun = Instant::now();
            }
            let wait = self.wait(begun);
            let turn = self.turn(ticket, &wait, on_the_way.take()).await;
            if turn.is_none() && (self.is_ready() || self.is_held()) {
                continue;
            }
            let Availability::Ready(store) = self.switch.now() else {
                return None;
            };
            on_the_way = Some(self.call_order.set_out());
            let sent = begin(operation(store)).await;
            drop(turn);
            match sent.await {
                Err(StoreError::Lost | StoreError::Refused(_)) => {}
                outcome => return Some(outcome),
            }
        }
    }

    /// Waits until the destination is known and this call is next. `None`: not in time.
    async fn turn(
        &self,
        ticket: u64,
        wait: &CallDeadline,
        on_the_way: Option<OnTheWay>,
    ) -> Option<Option<CallTurn>> {
        let stay = matches!(
            self.switch.now(),
            Availability::Degraded(_) | Availability::Closed
        );
        if stay && on_the_way.is_none() && self.call_order.are_free_and_idle() {
            return Some(None);
        }
        let mut turn = self.call_order.queue(ticket);
        drop(on_the_way);
        let mut until = wait.first_attempt.unwrap_or(wait.own);
        if stay {
            // A call that is still in transit has lost its connection and will be back immediately.
            until = until.max(Instant::now() + STRAGGLERS);
        }
        let came = timeout_at(until.into(), &mut turn).await.is_ok() || turn.try_recv().is_ok();
        if came {
            return Some(Some(CallTurn::new(&self.call_order)));
        }
        self.call_order.give_up(ticket);
        None
    }

    /// Like [`Self::on_remote`], for work in many steps: every step has a deadline of its own, and
    /// the work starts again until it has been carried out completely or Redis is known to be
    /// unavailable. It waits for the end of a recovery, which would require all of it to be
    /// repeated, and again if more follows.
    pub(super) async fn on_remote_in_steps<T, F>(
        &self,
        operation: impl Fn(Arc<R>) -> F,
    ) -> Option<Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        loop {
            self.recovering.over().await;
            let Some(store) = self.store_within(&self.wait(Instant::now())).await else {
                answered_here();
                return None;
            };
            match operation(store).await {
                Err(StoreError::Lost | StoreError::Refused(_)) => {}
                outcome => return Some(outcome),
            }
        }
    }

    /// The server, if it refuses to serve but may still delete.
    pub(super) fn refusing(&self) -> Option<Arc<R>> {
        match self.switch.now() {
            Availability::Degraded(outage) => outage.refusing,
            _ => None,
        }
    }
}

/// Polls an operation once, which sends its first command. The remaining future is the answer.
async fn begin<F: Future>(operation: F) -> impl Future<Output = F::Output> {
    let mut operation = Box::pin(operation);
    let mut early = None;
    std::future::poll_fn(|context| {
        if let Poll::Ready(output) = operation.as_mut().poll(context) {
            early = Some(output);
        }
        Poll::Ready(())
    })
    .await;
    async move {
        match early {
            Some(output) => output,
            None => operation.await,
        }
    }
}
