//! A lane: a queue of commands in front of one connection. The commands queued in one turn of the
//! I/O thread are sent as pipelines of bounded length, so that a batch costs a few system calls and
//! yet no caller waits for all of it.
//!
//! A lane is silent when it owes an answer and a deadline has passed in which nothing moved.

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

/// The least that a read asks for; also the size up to which a write is always small.
const READ_AT_LEAST: usize = 1024;
/// Beside many others, a read asks for no more in one piece, however fast the connection is:
/// servers bound what they keep for a client.
const READ_WITH_OTHERS: usize = 16 * 1024;
/// Beside others, a read asks for this fraction of the room that they leave.
const READ_PART: usize = 4;
/// Values up to this size may share the lane for calls; a larger one would delay the calls behind
/// it.
const LARGE_BYTES: usize = 256 * 1024;

/// The purpose of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    Calls,
    /// Long or large transfers: each is answered separately.
    Bulk {
        at_once: usize,
    },
}

/// Why a lane cannot or should not be used any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaneFailure {
    /// The stream ended.
    Closed,
    /// No answer within the deadline.
    Silent,
    /// The server refuses to serve; holds its error code.
    Refused(String),
    /// It is not the server we need, or not any more.
    Unfit(Unfit),
}

impl LaneFailure {
    /// The connection is lost, or must not be used any more.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

/// Told about the first failure of a lane and about every refusal, before the callers are.
pub type OnFailure = Arc<dyn Fn(LaneFailure) + Send + Sync>;

struct LaneRequest {
    command: Cmd,
    /// Its approximate size in bytes; 0 if it is small.
    bytes: usize,
    /// The maximum size of its answer; 0 if unknown or small.
    asked: usize,
    /// On the lane for long work; `None` also there for a small command that is one of many.
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
    /// Commands without an answer so far, and their sizes.
    owed: AtomicUsize,
    bytes_owed: AtomicUsize,
    /// The maximum size of the outstanding answers.
    bytes_asked: AtomicUsize,
    /// Bytes received when the last answer was complete.
    read_before: AtomicU64,
    /// Commands sent since the last riddle.
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

    /// Sends one command. Commands are sent in the order in which their futures are first polled.
    pub async fn query(&self, command: Cmd) -> Result<Value> {
        self.query_of(0, command).await
    }

    /// Sends one command that holds this many bytes.
    pub async fn query_of(&self, bytes: usize, command: Cmd) -> Result<Value> {
        let (answer, _travel) = self.enqueue(command, bytes);
        self.heard(answer.await)
    }

    /// Sends one small command whose answer has at most this many bytes: see [`Lane::read_room`].
    pub async fn query_for(&self, asked: usize, command: Cmd) -> Result<Value> {
        let answer = self.enqueue_small(asked, command);
        self.heard(answer.await)
    }

    /// As [`Lane::query_of`], for a command that may be forbidden: a raw command of the caller, or
    /// one that nothing depends on.
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

    /// The most that a read may ask for now, so that the next caller need not wait long: everything
    /// that is requested fits into what the connection carries in that time. A single read takes
    /// half of that, further ones fractions of the rest.
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

    /// Whether a request of this many bytes may be sent now.
    pub fn has_room_for(&self, bytes: usize) -> bool {
        bytes <= READ_AT_LEAST
            || bytes <= LARGE_BYTES
                && self.shared.bytes_owed.load(Relaxed) + bytes <= self.shared.bandwidth.up()
    }

    /// Sends several small commands at once, and returns their answers in order; the first error is
    /// the error of all.
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

    /// Runs a script: sends it in full the first time, then its hash, and in full again, once, if
    /// the server has lost it.
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

    /// Whether a large request has no answer yet, or a large answer is arriving.
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
        // Waiting commands learn of it immediately, not at their deadline.
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
