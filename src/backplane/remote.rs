//! Where a call goes: to Redis, to Redis again after a lost connection, or to this process.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

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
        let deadline = self.deadline(begun).into();
        loop {
            // Gone silent for the whole deadline: to be taken as away, whatever comes later.
            let store = timeout_at(deadline, self.switch.settled()).await.ok()??;
            match timeout_at(deadline, operation(store)).await {
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
            let deadline = self.deadline(Instant::now()).into();
            let store = timeout_at(deadline, self.switch.settled()).await.ok()??;
            match operation(store).await {
                Err(StoreError::Lost | StoreError::Refused(_) | StoreError::TimedOut) => {}
                settled => return Some(settled),
            }
        }
    }

    /// A call during the very first attempt has the time of that attempt, and then its own.
    pub(super) fn deadline(&self, begun: Instant) -> Instant {
        let endpoint = &self.options.endpoint;
        let own = begun + endpoint.command_timeout;
        match &*self.running() {
            Some(running) => {
                own.max(running.since + endpoint.connect_timeout + endpoint.command_timeout)
            }
            None => own,
        }
    }

    /// The server that refuses to serve but may still delete.
    pub(super) fn refusing(&self) -> Option<Arc<RedisStore>> {
        match self.switch.now() {
            Availability::Degraded(outage) => outage.refusing,
            _ => None,
        }
    }
}
