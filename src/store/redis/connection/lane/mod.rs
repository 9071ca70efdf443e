//! A lane: a queue of commands in front of one connection. What is queued in one turn of the
//! I/O thread leaves as pipelines of bounded length, so that a batch costs a few system calls
//! and yet nobody waits for all of it.
//!
//! A lane has gone silent when a deadline has passed in which nothing moved, and it owes an answer.

mod sender;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use redis::{Cmd, Value};
use tokio::sync::oneshot::error::RecvError;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use super::bandwidth::Bandwidth;
use super::deadline::Travel;
use super::flow::Transit;
use super::open::Connection;
use super::peer_check::Unfit;
use crate::mutex::Mutex;
use crate::store::redis::script::{Lua, SentScripts};
use crate::store::{Key, Result, StoreError};

/// A read asks for at least so much, and for no more in one piece.
const READ_AT_LEAST: usize = 1024;
/// Beside many others, a read asks for no more in one piece, however fast the line is: servers bound what
/// they keep for a client.
const READ_WITH_OTHERS: usize = 16 * 1024;
/// Beside others, a read asks for this part of the room that they leave.
const READ_PART: usize = 4;
/// Values up to this size may share the lane for calls; a larger one would hold up what follows it.
const LARGE_BYTES: usize = 256 * 1024;

/// What a lane is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    Calls,
    /// Whatever is long or large: each is answered by itself.
    Bulk {
        at_once: usize,
    },
}

/// Why a lane cannot be used any more, or should not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaneFailure {
    /// The stream ended.
    Closed,
    /// No answer within the deadline.
    Silent,
    /// The server refuses to serve; holds its error code.
    Refused(String),
    /// It is not, or not any more, what we need.
    Unfit(Unfit),
}

impl LaneFailure {
    /// The connection is gone, or not to be used any more.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

/// Told about the first failure of a lane and about every refusal, before the callers are.
pub type OnFailure = Arc<dyn Fn(LaneFailure) + Send + Sync>;

struct LaneRequest {
    command: Cmd,
    /// What it holds, about; 0 where that is little.
    bytes: usize,
    /// What its answer may hold; 0 where that is not known, or little.
    asked: usize,
    /// On the lane for long work; `None` also there for what is small and one of many.
    transit: Option<Arc<Transit>>,
    reply: oneshot::Sender<Result<Value>>,
}

/// Ends its connection when it is dropped.
pub struct Lane {
    shared: Arc<LaneShared>,
    sender: AbortHandle,
}

struct LaneShared {
    connection: Connection,
    outbox: Mutex<Vec<LaneRequest>>,
    filled: Notify,
    scripts: SentScripts,
    /// The longest silence while an answer is owed.
    deadline: Duration,
    on_failure: OnFailure,
    load: Load,
    bandwidth: Arc<Bandwidth>,
    /// Commands that have no answer yet, and what they hold.
    owed: AtomicUsize,
    bytes_owed: AtomicUsize,
    /// What the answers that are still to come may hold.
    bytes_asked: AtomicUsize,
    /// Bytes that had come when the last answer was whole.
    read_before: AtomicU64,
    /// Commands that were sent since the last riddle.
    unchecked: AtomicUsize,
}

impl Lane {
    pub fn new(
        connection: Connection,
        load: Load,
        deadline: Duration,
        on_failure: OnFailure,
    ) -> Self {
        let shared = Arc::new(LaneShared {
            bandwidth: connection.flow.bandwidth.clone(),
            connection,
            outbox: Mutex::default(),
            filled: Notify::new(),
            scripts: SentScripts::default(),
            deadline,
            on_failure,
            load,
            owed: AtomicUsize::new(0),
            bytes_owed: AtomicUsize::new(0),
            bytes_asked: AtomicUsize::new(0),
            read_before: AtomicU64::new(0),
            unchecked: AtomicUsize::new(0),
        });
        let sender = match load {
            Load::Calls => tokio::spawn(sender::send_calls(shared.clone())),
            Load::Bulk { at_once } => tokio::spawn(sender::send_bulk(shared.clone(), at_once)),
        };
        Self {
            shared,
            sender: sender.abort_handle(),
        }
    }

    /// Sends one command. Commands leave in the order in which their futures are first polled.
    pub async fn query(&self, command: Cmd) -> Result<Value> {
        self.query_of(0, command).await
    }

    /// Sends one command that holds so many bytes.
    pub async fn query_of(&self, bytes: usize, command: Cmd) -> Result<Value> {
        let (answer, _travel) = self.enqueue(command, bytes);
        self.heard(answer.await)
    }

    /// Sends one small command, whose answer holds at most so many bytes: see [`Lane::read_room`].
    pub async fn query_for(&self, asked: usize, command: Cmd) -> Result<Value> {
        let answer = self.enqueue_small(asked, command);
        self.heard(answer.await)
    }

    /// As [`Lane::query_of`], of what may be forbidden: a command of the caller's own, or one that
    /// nothing depends on.
    pub async fn query_if_allowed(&self, bytes: usize, command: Cmd) -> Result<Value> {
        let (answer, _travel) = self.enqueue(command, bytes);
        answer.await.unwrap_or(Err(StoreError::Lost))
    }

    fn heard(&self, answer: std::result::Result<Result<Value>, RecvError>) -> Result<Value> {
        let outcome = answer.unwrap_or(Err(StoreError::Lost));
        if let Err(StoreError::Rejected(text)) = &outcome {
            self.shared.connection.note(text);
        }
        outcome
    }

    fn enqueue(
        &self,
        command: Cmd,
        bytes: usize,
    ) -> (oneshot::Receiver<Result<Value>>, Option<Travel>) {
        let (reply, answer) = oneshot::channel();
        let transit = (self.shared.load != Load::Calls)
            .then(|| Transit::new(self.shared.connection.flow.progress.clone()));
        let travel = transit
            .clone()
            .map(|transit| Travel::begin(transit, self.shared.deadline));
        self.shared.enqueue(LaneRequest {
            command,
            bytes,
            asked: 0,
            transit,
            reply,
        });
        (answer, travel)
    }

    /// What nobody has wait for what is large.
    fn enqueue_small(&self, asked: usize, command: Cmd) -> oneshot::Receiver<Result<Value>> {
        let (reply, answer) = oneshot::channel();
        self.shared.enqueue(LaneRequest {
            command,
            bytes: 0,
            asked,
            transit: None,
            reply,
        });
        answer
    }

    /// The most that a read may ask for now, so that whoever calls next need not wait for long: all that is
    /// asked for fits into what the line carries meanwhile. One alone takes half of that, those beside it
    /// parts of what is left.
    pub fn read_room(&self) -> usize {
        let (down, asked) = (
            self.shared.bandwidth.down(),
            self.shared.bytes_asked.load(Relaxed),
        );
        let sharers = 1 + self.shared.owed.load(Relaxed);
        let most = (LARGE_BYTES / sharers).max(READ_WITH_OTHERS);
        let room = match asked {
            0 => down / 2,
            _ => (down * 5 / 8).saturating_sub(asked) / READ_PART,
        };
        room.clamp(READ_AT_LEAST, most)
    }

    /// Whether a request of so many bytes may go now.
    pub fn has_room_for(&self, bytes: usize) -> bool {
        bytes <= READ_AT_LEAST
            || bytes <= LARGE_BYTES
                && self.shared.bytes_owed.load(Relaxed) + bytes <= self.shared.bandwidth.up()
    }

    /// Sends all at once, small ones, and answers in order; the first error is the error of all.
    pub async fn query_all(&self, commands: Vec<Cmd>) -> Result<Vec<Value>> {
        let mut answers = Vec::with_capacity(commands.len());
        for command in commands {
            answers.push(self.enqueue_small(0, command));
        }
        let mut values = Vec::with_capacity(answers.len());
        for answer in answers {
            values.push(self.heard(answer.await)?);
        }
        Ok(values)
    }

    /// Runs a script: sends it whole the first time, then its hash, and whole again, once, when the server has
    /// forgotten it.
    pub async fn script(&self, lua: &Lua, keys: &[&Key], args: &[&[u8]]) -> Result<Value> {
        if self.shared.scripts.is_first(lua) {
            return self.query(lua.whole(keys, args)).await;
        }
        match self.query(lua.by_hash(keys, args)).await {
            Err(StoreError::Rejected(text)) if text.starts_with("NOSCRIPT") => {
                self.query(lua.whole(keys, args)).await
            }
            other => other,
        }
    }

    /// Whether a large request has no answer yet, or a large answer is coming.
    pub fn is_loaded(&self) -> bool {
        let shared = &self.shared;
        let came = shared.connection.flow.read() - shared.read_before.load(Relaxed);
        shared.bytes_owed.load(Relaxed) > LARGE_BYTES
            || shared.owed.load(Relaxed) > 0 && came > LARGE_BYTES as u64
    }

    pub fn is_closed(&self) -> bool {
        self.shared.connection.is_closed()
    }

    pub fn connection(&self) -> &Connection {
        &self.shared.connection
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.sender.abort();
        // What is still waiting learns of it at once, not at its deadline.
        self.shared.connection.end();
    }
}

impl LaneShared {
    fn enqueue(&self, request: LaneRequest) {
        self.owed.fetch_add(1, Relaxed);
        self.bytes_owed.fetch_add(request.bytes, Relaxed);
        self.bytes_asked.fetch_add(request.asked, Relaxed);
        let mut outbox = self.outbox.lock();
        outbox.push(request);
        if outbox.len() == 1 {
            self.filled.notify_one();
        }
    }
}
