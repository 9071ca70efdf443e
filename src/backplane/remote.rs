//! Where a call goes: to Redis, to Redis again after a lost connection, or to this process.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::Backplane;
use super::turns::{OnTheWay, Turn};
use crate::store::availability::Availability;
use crate::store::remote::RedisStore;
use crate::store::{Result, StoreError};

impl Backplane {
    /// Carries out an operation on Redis; `None` means that Redis is away and that this process
    /// has to answer, before anything else is awaited.
    ///
    /// An operation whose answer was lost is carried out again, within the deadline of the call:
    /// every operation of a store leaves the same behind when it is done twice.
    pub(super) async fn on_remote<T, F>(
        &self,
        operation: impl Fn(Arc<RedisStore>) -> F,
    ) -> Option<Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        let begun = Instant::now();
        let ticket = self.turns.ticket();
        if let Some((store, on_the_way)) = self.at_once(ticket) {
            let outcome = operation(store).await;
            match outcome {
                Err(StoreError::Lost | StoreError::Refused(_)) => {
                    return Box::pin(self.on_remote_later(ticket, begun, operation, on_the_way))
                        .await;
                }
                settled => return Some(settled),
            }
        }
        Box::pin(self.on_remote_later(ticket, begun, operation, None)).await
    }

    /// Redis, if it is ready and nobody has to go first.
    fn at_once(&self, ticket: u64) -> Option<(Arc<RedisStore>, Option<OnTheWay>)> {
        let Availability::Ready(store) = self.switch.now() else {
            return None;
        };
        match self.turns.take(ticket, true, false) {
            Turn::Now => Some((store, Some(self.turns.set_out()))),
            Turn::Later(_) => {
                self.turns.give_up(ticket);
                None
            }
        }
    }

    /// Waits for its turn, as long as the call may take. `was_on_the_way` ends when the call waits.
    async fn on_remote_later<T, F>(
        &self,
        ticket: u64,
        begun: Instant,
        operation: impl Fn(Arc<RedisStore>) -> F,
        was_on_the_way: Option<OnTheWay>,
    ) -> Option<Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        let wait = self.wait(begun);
        let mut on_the_way = was_on_the_way;
        let mut answer_by = None;
        loop {
            let in_time = self.turn(ticket, &wait, on_the_way.take()).await;
            let Availability::Ready(store) = self.switch.now() else {
                // Away, or gone silent for the whole deadline: taken as away, whatever comes later.
                return None;
            };
            if !in_time {
                return Some(Err(StoreError::TimedOut));
            }
            on_the_way = Some(self.turns.set_out());
            let deadline = *answer_by.get_or_insert_with(|| wait.answer_by());
            match timeout_at(deadline.into(), operation(store.clone())).await {
                Ok(Err(StoreError::Lost | StoreError::Refused(_))) => {}
                Ok(settled) => return Some(settled),
                // Sent twice, and no answer: nobody knows what was done, until it is journalled
                // and the connection with it is gone.
                Err(_) => store.link().declare_dead(),
            }
        }
    }

    /// Waits until it is known where to go and this call is the next; `false`: not in time.
    async fn turn(&self, ticket: u64, wait: &Wait, on_the_way: Option<OnTheWay>) -> bool {
        let state = self.switch.now();
        let stay = matches!(state, Availability::Degraded(_) | Availability::Closed);
        let settled = stay || matches!(state, Availability::Ready(_));
        let turn = self.turns.take(ticket, settled, stay);
        drop(on_the_way);
        let Turn::Later(turn) = turn else {
            return true;
        };
        let until = wait.first_attempt.unwrap_or(wait.own);
        if timeout_at(until.into(), turn).await.is_ok() {
            return true;
        }
        self.turns.give_up(ticket);
        false
    }

    /// Like [`Self::on_remote`], for work in many steps: every step has a deadline of its own, and
    /// the work begins anew until it has been carried out as a whole or Redis is known to be away.
    pub(super) async fn on_remote_in_steps<T, F>(
        &self,
        operation: impl Fn(Arc<RedisStore>) -> F,
    ) -> Option<Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        loop {
            let store = self.store_within(&self.wait(Instant::now())).await?;
            match operation(store).await {
                Err(StoreError::Lost | StoreError::Refused(_)) => {}
                settled => return Some(settled),
            }
        }
    }

    pub(super) fn wait(&self, begun: Instant) -> Wait {
        let endpoint = &self.options.endpoint;
        let own = begun + endpoint.command_timeout;
        let first_attempt = match &*self.running() {
            Some(running) if self.switch.is_first_attempt() => {
                Some(running.since + endpoint.connect_timeout)
            }
            _ => None,
        };
        Wait {
            own,
            first_attempt,
            command_timeout: endpoint.command_timeout,
        }
    }

    pub(super) async fn store_within(&self, wait: &Wait) -> Option<Arc<RedisStore>> {
        let until = wait.first_attempt.unwrap_or(wait.own);
        timeout_at(until.into(), self.switch.settled()).await.ok()?
    }

    /// The server that refuses to serve but may still delete.
    pub(super) fn refusing(&self) -> Option<Arc<RedisStore>> {
        match self.switch.now() {
            Availability::Degraded(outage) => outage.refusing,
            _ => None,
        }
    }
}

/// How long a call waits for Redis, and then for its answer.
pub(super) struct Wait {
    own: Instant,
    /// A call during the very first attempt waits for its outcome, and has its own time after.
    first_attempt: Option<Instant>,
    command_timeout: Duration,
}

impl Wait {
    pub(super) fn answer_by(&self) -> Instant {
        match self.first_attempt {
            Some(_) => Instant::now() + self.command_timeout,
            None => self.own,
        }
    }
}
