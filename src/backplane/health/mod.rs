//! Whether Redis answers, since when, and how often that has changed.

pub mod deaf;
pub mod forbidden;
pub mod troubles;

use std::time::{Duration, SystemTime};

use super::Backplane;
use crate::mutex::{Mutex, MutexGuard};
use crate::store::StoreError;
use crate::store::availability::Availability;
use crate::store::remote::Remote;

/// The minimum time between two requests for the server's memory.
const ASK_MEMORY_EVERY: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing is known yet.
    Unknown,
    Ok,
    Degraded,
    Closed,
}

#[derive(Clone, Debug)]
pub struct StateHistory {
    pub status: Status,
    pub since: SystemTime,
    /// Why Redis is unavailable; empty otherwise. For humans: contains no secret.
    pub reason: String,
    pub became_ready: u64,
    pub became_degraded: u64,
}

/// In bytes.
#[derive(Clone, Copy, Debug)]
pub struct ServerMemory {
    pub used: u64,
    /// 0: none.
    pub limit: u64,
    pub at: SystemTime,
}

pub struct HealthMonitor {
    history: Mutex<StateHistory>,
    memory: Mutex<Option<ServerMemory>>,
}

impl Default for HealthMonitor {
    fn default() -> Self {
        Self {
            history: Mutex::new(StateHistory {
                status: Status::Unknown,
                since: SystemTime::now(),
                reason: String::new(),
                became_ready: 0,
                became_degraded: 0,
            }),
            memory: Mutex::default(),
        }
    }
}

impl HealthMonitor {
    /// Called on every change of state.
    pub fn follow<S>(&self, redis: &Availability<S>) {
        match redis {
            Availability::Ready(_) => {
                let mut history = self.history();
                history.became_ready += 1;
                history.reason.clear();
                history.turn(Status::Ok);
            }
            Availability::Degraded(outage) => {
                let mut history = self.history();
                history.reason.clone_from(&outage.reason);
                if history.turn(Status::Degraded) {
                    history.became_degraded += 1;
                }
                *self.memory() = None;
            }
            Availability::Closed => {
                self.history().turn(Status::Closed);
                *self.memory() = None;
            }
            Availability::Idle | Availability::Connecting => {}
        }
    }

    pub fn read(&self) -> (StateHistory, Option<ServerMemory>) {
        (self.history().clone(), *self.memory())
    }

    fn history(&self) -> MutexGuard<'_, StateHistory> {
        self.history.lock()
    }

    fn memory(&self) -> MutexGuard<'_, Option<ServerMemory>> {
        self.memory.lock()
    }
}

impl StateHistory {
    /// Returns whether that is a change.
    fn turn(&mut self, status: Status) -> bool {
        let is_new = self.status != status;
        if is_new {
            self.status = status;
            self.since = SystemTime::now();
        }
        is_new
    }
}

pub struct HealthReport {
    pub history: StateHistory,
    /// Round-trip time; `None`: there was no answer.
    pub latency: Option<Duration>,
    /// What the server forbids this user.
    pub forbidden: Vec<String>,
}

impl<R: Remote> Backplane<R> {
    /// Asks the server whether it is available.
    pub async fn health(&self) -> HealthReport {
        let answered = self.on_remote(|store| async move {
            let sent = std::time::Instant::now();
            match store.ping().await {
                // It refuses PING to this user, but it is available.
                Ok(()) | Err(StoreError::Rejected(_)) => Ok(sent.elapsed()),
                Err(error) => Err(error),
            }
        });
        let latency = answered.await.and_then(Result::ok);
        let (mut history, _) = self.health_monitor.read();
        if latency.is_none() && history.turn(Status::Degraded) {
            history.reason = StoreError::TimedOut.to_string();
        }
        let trouble = self.troubles.now();
        if let Some(trouble) = &trouble
            && history.status == Status::Ok
        {
            history.turn(Status::Degraded);
            history.since = trouble.since;
            history.reason.clone_from(&trouble.reason);
        }
        HealthReport {
            history,
            latency,
            forbidden: trouble.map_or_else(Vec::new, |trouble| trouble.forbidden),
        }
    }

    /// Requests how much memory the server uses, unless that was requested a moment ago.
    pub async fn inspect_server(&self) {
        let is_recent = |known: &ServerMemory| {
            let age = known.at.elapsed();
            age.is_ok_and(|age| age < ASK_MEMORY_EVERY)
        };
        if self.health_monitor.memory().as_ref().is_some_and(is_recent) {
            return;
        }
        let Availability::Ready(store) = self.switch.now() else {
            return;
        };
        // A server that does not tell does not allow it.
        if let Ok((used, limit)) = store.memory().await
            && matches!(self.switch.now(), Availability::Ready(_))
        {
            let at = SystemTime::now();
            *self.health_monitor.memory() = Some(ServerMemory { used, limit, at });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::availability::Outage;

    fn degraded(reason: &str) -> Availability<()> {
        Availability::Degraded(Outage {
            reason: reason.to_owned(),
            refusing: None,
        })
    }

    #[test]
    fn an_outage_is_one_change_however_often_it_is_tried() {
        let board = HealthMonitor::default();
        board.follow(&Availability::Ready(std::sync::Arc::new(())));
        let (before, _) = board.read();
        for reason in ["first", "second"] {
            board.follow(&Availability::<()>::Connecting);
            board.follow(&degraded(reason));
        }
        let (during, _) = board.read();
        assert_eq!(during.status, Status::Degraded);
        assert_eq!((during.became_ready, during.became_degraded), (1, 1));
        assert_eq!(during.reason, "second");
        assert!(during.since >= before.since);
        board.follow(&Availability::Ready(std::sync::Arc::new(())));
        let (after, _) = board.read();
        assert_eq!((after.status, after.became_ready), (Status::Ok, 2));
        assert_eq!(after.reason, "");
    }
}
