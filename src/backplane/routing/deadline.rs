//! How long calls wait for Redis and for its answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use crate::backplane::Backplane;
use crate::store::Result;
use crate::store::remote::Remote;
use crate::store::remote::deadline::patient;

impl<R: Remote> Backplane<R> {
    /// The remaining time of a call after Redis is known to be available.
    pub(crate) fn time_left(&self, begun: Instant) -> TimeLeft {
        let deadline = self.options.endpoint.command_timeout;
        TimeLeft {
            by: begun + deadline,
            deadline,
        }
    }

    pub(crate) fn wait(&self, begun: Instant) -> CallDeadline {
        let endpoint = &self.options.endpoint;
        let own = begun + endpoint.command_timeout;
        let first_attempt = match &*self.running() {
            Some(running) if self.switch.is_first_attempt() => {
                Some(running.since + endpoint.connect_timeout)
            }
            _ => None,
        };
        CallDeadline {
            own,
            first_attempt,
            command_timeout: endpoint.command_timeout,
        }
    }

    pub(crate) async fn store_within(&self, wait: &CallDeadline) -> Option<Arc<R>> {
        let until = wait.first_attempt.unwrap_or(wait.own);
        timeout_at(until.into(), self.switch.resolved())
            .await
            .ok()?
    }
}

/// The deadline of a call of several steps, which starts again while its large data moves.
#[derive(Clone, Copy)]
pub(crate) struct TimeLeft {
    by: Instant,
    deadline: Duration,
}

impl TimeLeft {
    pub fn is_over(self) -> bool {
        self.by <= Instant::now()
    }
}

/// Work of several steps has the deadline of one call; late work is dropped between two of them.
/// `left`: how much of it remains. The first step is always taken.
pub(crate) async fn within<T>(left: TimeLeft, work: impl Future<Output = Result<T>>) -> Result<T> {
    patient(left.by.into(), left.deadline, work).await
}

/// How long a call waits for Redis, and then for its answer.
pub(crate) struct CallDeadline {
    pub(crate) own: Instant,
    /// A call during the very first attempt waits for its outcome, and has its own time afterwards.
    pub(crate) first_attempt: Option<Instant>,
    pub(crate) command_timeout: Duration,
}

impl CallDeadline {
    /// When the call has to be answered in any case.
    pub(crate) fn latest(&self) -> Instant {
        match self.first_attempt {
            Some(until) => until + self.command_timeout,
            None => self.own,
        }
    }

    pub(crate) fn answer_by(&self) -> Instant {
        match self.first_attempt {
            Some(_) => Instant::now() + self.command_timeout,
            None => self.own,
        }
    }
}
