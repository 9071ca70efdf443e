//! The connections to one server while it is up: a lane for calls, and a second one, opened when
//! it is first needed, for what is long or large. Answers come in order on a connection, so what
//! takes long must not stand in front of what is short.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use redis::{Cmd, Value, cmd};
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;

use super::endpoint::Endpoint;
use super::ghosts::Ghosts;
use super::lane::{Failure, Lane, OnFailure};
use super::open::{ConnectError, Connection, open, probe};
use crate::store::redis::script::Lua;
use crate::store::{Key, Result, StoreError};

/// A connection that served this long has proved itself: the next attempt need not wait.
const STABLE_AFTER: Duration = Duration::from_secs(1);

/// How long a server that let no second connection in is not asked again.
const BULK_RETRY: Duration = Duration::from_secs(1);

pub struct Link {
    pub calls: Lane,
    bulk: Mutex<Bulk>,
    health: Arc<Health>,
    ghosts: Arc<Ghosts>,
    endpoint: Arc<Endpoint>,
    probe_key: Key,
    ended: watch::Sender<bool>,
}

#[derive(Default)]
struct Bulk {
    lane: Option<Arc<Lane>>,
    /// The server let no second connection in; it is not asked again before.
    closed_until: Option<Instant>,
}

/// What is known to be wrong with a link; the first to learn of it tells everybody.
pub struct Health {
    ready_since: OnceLock<Instant>,
    failure: watch::Sender<Option<Failure>>,
    on_failure: OnLinkFailure,
}

type OnLinkFailure = Box<dyn Fn(&Health, &Failure) + Send + Sync>;

impl Health {
    pub fn new(on_failure: impl Fn(&Health, &Failure) + Send + Sync + 'static) -> Arc<Self> {
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

    /// A lost connection stays lost, whatever else is said of it.
    fn report(&self, failure: Failure) {
        let news = self.failure.send_if_modified(|known| {
            let final_already = matches!(known, Some(Failure::Closed | Failure::Silent));
            if !final_already {
                *known = Some(failure.clone());
            }
            !final_already
        });
        if news {
            (self.on_failure)(self, &failure);
        }
    }

    /// Waits for the next failure that has not been [`Health::clear`]ed.
    pub async fn failed(&self) -> Failure {
        let mut receiver = self.failure.subscribe();
        match receiver.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(failure)) => failure.clone(),
            _ => Failure::Closed,
        }
    }

    /// The connection is gone, whatever else is said of it.
    pub fn is_lost(&self) -> bool {
        let known = self.failure.borrow();
        matches!(&*known, Some(Failure::Closed | Failure::Silent))
    }

    /// Forgets a refusal, before the server is asked again.
    pub fn clear(&self) {
        self.failure.send_if_modified(|known| {
            let refused = matches!(known, Some(Failure::Refused(_)));
            if refused {
                *known = None;
            }
            refused
        });
    }
}

impl Link {
    /// Connects, and has what is left of former connections killed.
    pub async fn establish(
        endpoint: Arc<Endpoint>,
        probe_key: Key,
        ghosts: Arc<Ghosts>,
        health: Arc<Health>,
    ) -> std::result::Result<Self, ConnectError> {
        let ended = health.clone();
        let connection = open(&endpoint, move || ended.report(Failure::Closed)).await?;
        let mut commands = connection.commands.clone();
        ghosts.lay(&mut commands, endpoint.command_timeout).await;
        let reporter = health.clone();
        let on_failure: OnFailure = Arc::new(move |failure| reporter.report(failure));
        Ok(Self {
            calls: Lane::new(connection, endpoint.command_timeout, on_failure),
            bulk: Mutex::default(),
            health,
            ghosts,
            endpoint,
            probe_key,
            ended: watch::Sender::new(false),
        })
    }

    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    pub fn command_timeout(&self) -> Duration {
        self.endpoint.command_timeout
    }

    /// Whether the server would serve a read and a write now.
    pub async fn probe(&self) -> Result<()> {
        let mut commands = self.calls.connection().commands.clone();
        probe(&mut commands, &self.probe_key, self.command_timeout()).await
    }

    /// Closes the connections; what is under way on them fails, and will not happen later: the
    /// next connection has them killed. No other is opened.
    pub fn end(&self) {
        self.ended.send_replace(true);
        self.calls.connection().end();
        self.ghosts.add(self.calls.connection());
        // Locked: it is being opened, which ends now, or given up, and whoever does that looks after it.
        if let Ok(bulk) = self.bulk.try_lock()
            && let Some(lane) = &bulk.lane
        {
            lane.connection().end();
            self.ghosts.add(lane.connection());
        }
    }

    /// Takes the server as away: it has left a call without an answer for too long.
    pub fn declare_dead(&self) {
        self.health.report(Failure::Silent);
    }

    /// Finds a connection that is open but dead: the lane reports it.
    pub async fn heartbeat(&self) {
        let _ = self.calls.query(cmd("PING")).await;
    }

    /// Sends one command on the lane for long work. When that lane breaks it is `Lost`, nothing
    /// more happens on it, and the next command finds a new one.
    pub async fn bulk(&self, command: Cmd) -> Result<Value> {
        match self.bulk_lane().await {
            Some(lane) => self.unless_broken(&lane, lane.query(command)).await,
            None => self.calls.query(command).await,
        }
    }

    pub async fn bulk_script(&self, lua: &Lua, keys: &[&Key], args: &[&[u8]]) -> Result<Value> {
        match self.bulk_lane().await {
            Some(lane) => {
                self.unless_broken(&lane, lane.script(lua, keys, args))
                    .await
            }
            None => self.calls.script(lua, keys, args).await,
        }
    }

    pub async fn unless_broken<T>(
        &self,
        lane: &Arc<Lane>,
        answer: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match answer.await {
            Err(StoreError::Lost) => {
                self.give_up(lane).await;
                Err(StoreError::Lost)
            }
            other => other,
        }
    }

    /// `None`: the server lets no second connection in; the work has to share the first.
    pub async fn bulk_lane(&self) -> Option<Arc<Lane>> {
        let mut bulk = self.bulk.lock().await;
        if let Some(lane) = bulk.lane.take() {
            if !lane.is_closed() {
                bulk.lane = Some(lane.clone());
                return Some(lane);
            }
            self.bury(&lane).await;
        }
        if bulk
            .closed_until
            .is_some_and(|until| Instant::now() < until)
            || self.health.is_lost()
        {
            return None;
        }
        let Some(connection) = self.open_bulk().await else {
            bulk.closed_until = Some(Instant::now() + BULK_RETRY);
            return None;
        };
        let health = self.health.clone();
        let on_failure: OnFailure = Arc::new(move |failure| {
            if matches!(failure, Failure::Refused(_)) {
                health.report(failure);
            }
        });
        let lane = Arc::new(Lane::new(connection, self.command_timeout(), on_failure));
        bulk.lane = Some(lane.clone());
        Some(lane)
    }

    /// `None`: not in time, or the link has ended.
    async fn open_bulk(&self) -> Option<Connection> {
        let mut ended = self.ended.subscribe();
        tokio::select! {
            biased;
            _ = ended.wait_for(|has_ended| *has_ended) => None,
            opened = timeout(self.command_timeout(), open(&self.endpoint, || ())) => opened.ok()?.ok(),
        }
    }

    /// Gives up the lane for long work, whatever is under way on it.
    pub async fn give_up_bulk(&self) {
        if let Some(lane) = self.bulk.lock().await.lane.take() {
            self.bury(&lane).await;
        }
    }

    /// Makes sure that nothing more happens on a broken bulk lane.
    async fn give_up(&self, broken: &Arc<Lane>) {
        let mut bulk = self.bulk.lock().await;
        let is_current = |lane: &Arc<Lane>| Arc::ptr_eq(lane, broken);
        if bulk.lane.as_ref().is_some_and(is_current) {
            bulk.lane = None;
            self.bury(broken).await;
        }
    }

    async fn bury(&self, lane: &Lane) {
        lane.connection().end();
        self.ghosts.add(lane.connection());
        let mut commands = self.calls.connection().commands.clone();
        self.ghosts.lay(&mut commands, self.command_timeout()).await;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.ghosts.add(self.calls.connection());
        if let Some(lane) = &self.bulk.get_mut().lane {
            self.ghosts.add(lane.connection());
        }
    }
}
