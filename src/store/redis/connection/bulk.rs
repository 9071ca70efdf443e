//! The second connection to a server, for long or large transfers. It may break and be replaced
//! without an outage: the lane for calls finds out whether the server is available.
//!
//! A server may close a connection because of a request on it (`client-output-buffer-limit`). So
//! the requests in flight when it broke are sent once more, each alone on a connection of its own.
//! A request that breaks that one, too, has failed, and is refused for a while.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Arg, Cmd, Value};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::deadline::Travel;
use super::flow::{Flow, Progress, Transit};
use super::lane::{Lane, LaneFailure, Load, OnFailure};
use super::link::Link;
use super::open::open;
use super::zombies::ZombieConnections;
use crate::mutex::{Mutex as SyncMutex, MutexGuard};
use crate::store::{Result, StoreError};

/// This many large transfers run at once, and half as many after each time that they broke their
/// connection: a server that bounds what it keeps for a client bounds all of it together.
const LARGE_AT_ONCE: usize = 16;
/// How long a server that refused a second connection is not asked for one again.
const RETRY: Duration = Duration::from_secs(1);
/// How long a request that broke two connections is refused.
const HELD: Duration = Duration::from_secs(1);
/// How long it is sent alone, and fewer run at once.
const SUSPECTED: Duration = Duration::from_secs(60);
const MOST_SUSPECTS: usize = 64;

#[derive(Default)]
pub struct Bulk {
    current: Mutex<CurrentLane>,
    progress: Arc<Progress>,
    suspects: Suspects,
    /// One at a time.
    alone: Mutex<()>,
}

#[derive(Default)]
struct CurrentLane {
    lane: Option<Arc<Lane>>,
    /// The requests that were in flight on them when they broke.
    breaks: u32,
    broke: Option<Instant>,
    /// The server refused a second connection; it is not asked for one before this time.
    closed_until: Option<Instant>,
}

impl Bulk {
    /// Ends the connection.
    pub fn end(&self, zombies: &ZombieConnections) {
        // If locked, it is being opened, which ends now, or given up; whoever does that handles it.
        if let Ok(current) = self.current.try_lock()
            && let Some(lane) = &current.lane
        {
            lane.connection().end();
            zombies.add(lane.connection());
        }
    }
}

impl Link {
    /// Sends one command on the lane for long work. When that lane breaks the result is `Lost`,
    /// nothing more happens on it, and the next command opens a new one.
    pub async fn bulk(&self, command: Cmd) -> Result<Value> {
        match self.bulk_lane().await {
            Some(lane) => self.unless_broken(&lane, lane.query(command)).await,
            None => self.calls.query(command).await,
        }
    }

    /// Like [`Self::bulk`], for a raw command of the caller that holds this many bytes.
    pub async fn bulk_if_allowed(&self, bytes: usize, command: Cmd) -> Result<Value> {
        match self.bulk_lane().await {
            Some(lane) => {
                let answer = lane.query_if_allowed(bytes, command);
                self.unless_broken(&lane, answer).await
            }
            None => self.calls.query_if_allowed(bytes, command).await,
        }
    }

    /// Whether a large transfer is in progress on the lane for long work: the next command has to
    /// wait.
    pub fn bulk_is_loaded(&self) -> bool {
        let current = self.bulk.current.try_lock();
        current.is_ok_and(|current| current.lane.as_ref().is_some_and(|lane| lane.is_loaded()))
    }

    /// Like [`Self::bulk`], for a command that may be done twice and holds this many bytes. While
    /// the server is available the result is never `Lost`: a command that breaks a connection by
    /// itself has `TimedOut`.
    pub async fn bulk_again(&self, bytes: usize, command: impl Fn() -> Cmd) -> Result<Value> {
        match self.bulk.suspects.look(&command) {
            Suspicion::None => {}
            Suspicion::Alone => return self.bulk_alone(bytes, command).await,
            Suspicion::Held => return Err(StoreError::TimedOut),
        }
        let Some(lane) = self.bulk_lane().await else {
            return self.calls.query_of(bytes, command()).await;
        };
        let answer = lane.query_of(bytes, command());
        match self.unless_broken(&lane, answer).await {
            Err(StoreError::Lost) => self.bulk_alone(bytes, command).await,
            other => other,
        }
    }

    async fn bulk_alone(&self, bytes: usize, command: impl Fn() -> Cmd) -> Result<Value> {
        let _turn = self.bulk.alone.lock().await;
        if self.health.is_lost() {
            return Err(StoreError::Lost);
        }
        if let Suspicion::Held = self.bulk.suspects.look(&command) {
            return Err(StoreError::TimedOut);
        }
        let lane = self.open_lane(1).await.ok_or(StoreError::TimedOut)?;
        let answer = self.unless_ended(lane.query_of(bytes, command())).await;
        let answer = answer.unwrap_or(Err(StoreError::Lost));
        if !matches!(answer, Err(StoreError::Lost | StoreError::TimedOut)) {
            return answer;
        }
        self.bury(&lane).await;
        if self.health.is_lost() {
            return Err(StoreError::Lost);
        }
        self.bulk.suspects.add(&command);
        Err(StoreError::TimedOut)
    }

    pub async fn unless_broken<T>(
        &self,
        lane: &Arc<Lane>,
        answer: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match answer.await {
            Err(error @ (StoreError::Lost | StoreError::TimedOut)) => {
                self.give_up(lane).await;
                Err(error)
            }
            other => other,
        }
    }

    /// `None`: the server refuses a second connection; the work has to share the first.
    pub async fn bulk_lane(&self) -> Option<Arc<Lane>> {
        let mut current = self.bulk.current.lock().await;
        if let Some(lane) = current.lane.take() {
            if !lane.is_closed() {
                current.lane = Some(lane.clone());
                return Some(lane);
            }
            self.bury(&lane).await;
        }
        let is_closed = current
            .closed_until
            .is_some_and(|until| Instant::now() < until);
        if is_closed || self.health.is_lost() {
            return None;
        }
        let calm = current
            .broke
            .is_none_or(|broke| broke.elapsed() > SUSPECTED);
        if calm {
            current.breaks = 0;
        }
        let at_once = LARGE_AT_ONCE >> current.breaks.min(LARGE_AT_ONCE.ilog2());
        let Some(lane) = self.open_lane(at_once).await else {
            current.closed_until = Some(Instant::now() + RETRY);
            return None;
        };
        let lane = Arc::new(lane);
        current.lane = Some(lane.clone());
        Some(lane)
    }

    /// `None`: the link has ended.
    async fn unless_ended<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut ended = self.ended.subscribe();
        tokio::select! {
            biased;
            _ = ended.wait_for(|has_ended| *has_ended) => None,
            outcome = work => Some(outcome),
        }
    }

    /// `None`: not in time, or the link has ended.
    async fn open_lane(&self, at_once: usize) -> Option<Lane> {
        let flow = Flow::new(self.bulk.progress.clone(), self.bandwidth.clone());
        let opening = timeout(self.command_timeout(), open(&self.endpoint, flow, || ()));
        let connection = self.unless_ended(opening).await?.ok()?.ok()?;
        let health = self.health.clone();
        let on_failure: OnFailure = Arc::new(move |failure| {
            if matches!(failure, LaneFailure::Refused(_) | LaneFailure::Unfit(_)) {
                health.report(failure);
            }
        });
        Some(Lane::new(
            connection,
            Load::Bulk { at_once },
            self.command_timeout(),
            on_failure,
        ))
    }

    /// Makes a call wait as long as the lane for long work moves, until this is dropped: the call
    /// waits for data there.
    pub fn waits_for_bulk(&self) -> Travel {
        let transit = Transit::new(self.bulk.progress.clone());
        Travel::begin(transit, self.command_timeout())
    }

    /// Gives up the lane for long work, whatever is in flight on it.
    pub async fn give_up_bulk(&self) {
        if let Some(lane) = self.bulk.current.lock().await.lane.take() {
            self.bury(&lane).await;
        }
    }

    /// Makes sure that nothing more happens on a broken bulk lane.
    async fn give_up(&self, broken: &Arc<Lane>) {
        let mut current = self.bulk.current.lock().await;
        let is_current = |lane: &Arc<Lane>| Arc::ptr_eq(lane, broken);
        if current.lane.as_ref().is_some_and(is_current) {
            current.lane = None;
            current.breaks += 1;
            current.broke = Some(Instant::now());
            self.bury(broken).await;
        }
    }

    async fn bury(&self, lane: &Lane) {
        lane.connection().end();
        self.zombies.add(lane.connection());
        let mut commands = self.calls.connection().commands.clone();
        self.zombies
            .kill_all(&mut commands, self.command_timeout())
            .await;
    }
}

/// Commands that broke a connection by themselves, by their hashes, oldest first.
#[derive(Default)]
struct Suspects(SyncMutex<VecDeque<(u64, Instant)>>);

enum Suspicion {
    None,
    Alone,
    Held,
}

impl Suspects {
    fn look(&self, command: &impl Fn() -> Cmd) -> Suspicion {
        let mut known = self.lock();
        known.retain(|(_, since)| since.elapsed() < SUSPECTED);
        if known.is_empty() {
            return Suspicion::None;
        }
        let name = hash(&command());
        match known.iter().rfind(|(known, _)| *known == name) {
            None => Suspicion::None,
            Some((_, since)) if since.elapsed() < HELD => Suspicion::Held,
            Some(_) => Suspicion::Alone,
        }
    }

    fn add(&self, command: &impl Fn() -> Cmd) {
        let name = hash(&command());
        let mut known = self.lock();
        known.retain(|(known, _)| *known != name);
        known.push_back((name, Instant::now()));
        if known.len() > MOST_SUSPECTS {
            known.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(u64, Instant)>> {
        self.0.lock()
    }
}

fn hash(command: &Cmd) -> u64 {
    let mut hasher = DefaultHasher::new();
    for argument in command.args_iter() {
        if let Arg::Simple(bytes) = argument {
            bytes.hash(&mut hasher);
        }
    }
    hasher.finish()
}
