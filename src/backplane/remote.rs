//! Where a call goes: to Redis, to Redis again after a lost connection, or to this process.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::Backplane;
use crate::store::availability::Availability;
use crate::store::remote::RedisStore;
use crate::store::{Result, StoreError};

impl Backplane {
    /// Carries out an operation on Redis; `None` means that Redis is away and that this process
    /// has to answer.
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
        if let Availability::Ready(store) = self.switch.now() {
            match operation(store).await {
                Err(StoreError::Lost | StoreError::Refused(_)) => {}
                settled => return Some(settled),
            }
        }
        Box::pin(self.on_remote_later(begun, operation)).await
    }

    /// Waits for Redis, as long as the call may take.
    async fn on_remote_later<T, F>(
        &self,
        begun: Instant,
        operation: impl Fn(Arc<RedisStore>) -> F,
    ) -> Option<Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        let wait = self.wait(begun);
        loop {
            // Gone silent for the whole deadline: to be taken as away, whatever comes later.
            let store = self.store_within(&wait).await?;
            match timeout_at(wait.answer_by().into(), operation(store)).await {
                Ok(Err(StoreError::Lost | StoreError::Refused(_))) => {}
                Ok(settled) => return Some(settled),
                Err(_) => return Some(Err(StoreError::TimedOut)),
            }
        }
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
                Err(StoreError::Lost | StoreError::Refused(_) | StoreError::TimedOut) => {}
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
