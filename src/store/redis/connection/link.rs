//! The connections to one server while it is up: a lane for calls, and a second one, opened when it
//! is first needed, for long or large transfers. Answers come in order on a connection, so a long
//! transfer must not be ahead of a short one.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use redis::cmd;
use tokio::sync::watch;

use super::bandwidth::Bandwidth;
use super::bulk::Bulk;
use super::endpoint::Endpoint;
use super::flow::{Flow, Progress};
use super::lane::{Lane, LaneFailure, Load, OnFailure};
use super::open::{ConnectError, open, probe};
use super::peer_check;
use super::zombies::ZombieConnections;
use crate::store::{Key, Result};

/// A connection that served this long has proved itself: the next attempt need not wait.
const STABLE_AFTER: Duration = Duration::from_secs(1);

pub struct Link {
    pub calls: Lane,
    pub(super) bulk: Bulk,
    pub(super) bandwidth: Arc<Bandwidth>,
    pub(super) health: Arc<LinkHealth>,
    pub(super) zombies: Arc<ZombieConnections>,
    pub(super) endpoint: Arc<Endpoint>,
    probe_key: Key,
    pub(super) ended: watch::Sender<bool>,
    has_unlink: AtomicBool,
    has_getrange: AtomicBool,
}

/// What is known to be wrong with a link; the first to learn of it tells all others.
pub struct LinkHealth {
    ready_since: OnceLock<Instant>,
    failure: watch::Sender<Option<LaneFailure>>,
    on_failure: OnLinkFailure,
}

type OnLinkFailure = Box<dyn Fn(&LinkHealth, &LaneFailure) + Send + Sync>;

impl LinkHealth {
    pub fn new(
        on_failure: impl Fn(&LinkHealth, &LaneFailure) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            ready_since: OnceLock::new(),
            failure: watch::Sender::new(None),
            on_failure: Box::new(on_failure),
        })
    }

    pub fn became_ready(&self) {
        self.ready_since.get_or_init(Instant::now);
    }

    pub fn was_ready(&self) -> bool {
        self.ready_since.get().is_some()
    }

    pub fn is_stable(&self) -> bool {
        let since = self.ready_since.get();
        since.is_some_and(|since| since.elapsed() >= STABLE_AFTER)
    }

    /// A lost connection stays lost, whatever else is reported about it.
    pub(super) fn report(&self, failure: LaneFailure) {
        let news = self.failure.send_if_modified(|known| {
            let final_already = known.as_ref().is_some_and(LaneFailure::is_final);
            if !final_already {
                *known = Some(failure.clone());
            }
            !final_already
        });
        if news {
            (self.on_failure)(self, &failure);
        }
    }

    /// Waits for the next failure that has not been [`LinkHealth::clear`]ed.
    pub async fn failed(&self) -> LaneFailure {
        let mut receiver = self.failure.subscribe();
        match receiver.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(failure)) => failure.clone(),
            _ => LaneFailure::Closed,
        }
    }

    /// The connection is lost, whatever else is reported about it.
    pub fn is_lost(&self) -> bool {
        let known = self.failure.borrow();
        known.as_ref().is_some_and(LaneFailure::is_final)
    }

    /// Clears a refusal, before the server is asked again.
    pub fn clear(&self) {
        self.failure.send_if_modified(|known| {
            let refused = matches!(known, Some(LaneFailure::Refused(_)));
            if refused {
                *known = None;
            }
            refused
        });
    }
}

impl Link {
    /// Connects, and kills what is left of former connections.
    pub async fn establish(
        endpoint: Arc<Endpoint>,
        probe_key: Key,
        zombies: Arc<ZombieConnections>,
        health: Arc<LinkHealth>,
    ) -> std::result::Result<Self, ConnectError> {
        let ended = health.clone();
        let bandwidth = Arc::new(Bandwidth::new(endpoint.command_timeout));
        let flow = Flow::new(Arc::new(Progress::default()), bandwidth.clone());
        let connection = open(&endpoint, flow, move || ended.report(LaneFailure::Closed)).await?;
        let mut commands = connection.commands.clone();
        zombies
            .kill_all(&mut commands, endpoint.command_timeout)
            .await;
        let reporter = health.clone();
        let on_failure: OnFailure = Arc::new(move |failure| reporter.report(failure));
        Ok(Self {
            calls: Lane::new(
                connection,
                Load::Calls,
                endpoint.command_timeout,
                on_failure,
            ),
            bulk: Bulk::default(),
            bandwidth,
            health,
            zombies,
            endpoint,
            probe_key,
            ended: watch::Sender::new(false),
            has_unlink: AtomicBool::new(true),
            has_getrange: AtomicBool::new(true),
        })
    }

    pub fn health(&self) -> &Arc<LinkHealth> {
        &self.health
    }

    pub fn command_timeout(&self) -> Duration {
        self.endpoint.command_timeout
    }

    /// Whether the server would serve a read and a write now.
    pub async fn probe(&self) -> Result<()> {
        let mut commands = self.calls.connection().commands.clone();
        let words = probe(&mut commands, &self.probe_key, self.command_timeout()).await?;
        self.has_unlink.store(!words.has_no_unlink, Relaxed);
        self.has_getrange.store(!words.has_no_getrange, Relaxed);
        let forbids = |what| self.calls.connection().forbids(what);
        words.refusals.into_iter().for_each(forbids);
        Ok(())
    }

    /// Deletes a key. The server frees the value in the background, if it can.
    pub fn unlink(&self) -> &'static str {
        match self.has_unlink.load(Relaxed) {
            true => "UNLINK",
            false => "DEL",
        }
    }

    /// Whether the server can return part of a value.
    pub fn has_getrange(&self) -> bool {
        self.has_getrange.load(Relaxed)
    }

    /// Closes the connections. Commands in flight on them fail and will not take effect later: the
    /// next connection kills them. No other one is opened.
    pub fn end(&self) {
        self.ended.send_replace(true);
        self.calls.connection().end();
        self.zombies.add(self.calls.connection());
        self.bulk.end(&self.zombies);
    }

    /// Marks the server as unavailable: it has left a call without an answer for too long.
    pub fn declare_dead(&self) {
        self.health.report(LaneFailure::Silent);
    }

    /// Finds a connection that is open but dead: the lane reports it. This task itself reports a
    /// connection on which answers do not belong to their questions, and a server that is no longer
    /// what it was. Every second time it asks what the server is.
    pub async fn heartbeat(&self, number: u64) {
        let questions = &self.calls.connection().questions;
        let what = questions.what().filter(|_| number.is_multiple_of(2));
        let unfit = match (what, questions.riddle()) {
            (Some(ask), _) => peer_check::judge(self.calls.query_if_allowed(0, ask).await),
            (None, Some((riddle, ask))) => riddle.judge(self.calls.query_if_allowed(0, ask).await),
            (None, None) => {
                let _ = self.calls.query_if_allowed(0, cmd("PING")).await;
                None
            }
        };
        if let Some(unfit) = unfit {
            self.health.report(LaneFailure::Unfit(unfit));
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.zombies.add(self.calls.connection());
        self.bulk.end(&self.zombies);
    }
}
