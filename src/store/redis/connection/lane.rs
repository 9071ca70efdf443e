//! A lane: a queue of commands in front of one connection. What is queued in one turn of the
//! I/O thread leaves as pipelines of bounded length, so that a batch costs a few system calls
//! and yet nobody waits for all of it.
//!
//! A lane has gone silent when a deadline has passed in which nothing moved, and it owes an answer.

use std::mem;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::{Arg, Cmd, Pipeline, RedisResult, Value};
use tokio::sync::oneshot::error::RecvError;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::flow::{MOST_DEADLINES, Transit};
use super::found::{OUT_OF_STEP, Riddle, Unfit};
use super::open::Connection;
use super::pace::Pace;
use super::patience::Travel;
use crate::store::redis::reply;
use crate::store::redis::script::{Lua, SentScripts};
use crate::store::{Key, Result, StoreError};

/// Commands in one pipeline: enough to make the cost of one vanish, few enough that the first
/// answers of a large batch arrive long before its last.
const PIPELINE_LENGTH: usize = 128;
/// A riddle is asked after so many commands that went alone, to see that answers belong to what was asked. Where
/// several are under way each pipeline ends with one: it costs as much as the cheapest of commands.
const CHECK_AFTER: usize = 32;
/// A read asks for at least so much, and for no more in one piece.
const READ_AT_LEAST: usize = 1024;
/// Beside many others, a read asks for no more in one piece, however fast the line is: servers bound what
/// they keep for a client.
const READ_WITH_OTHERS: usize = 16 * 1024;
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
pub enum Failure {
    /// The stream ended.
    Closed,
    /// No answer within the deadline.
    Silent,
    /// The server refuses to serve; holds its error code.
    Refused(String),
    /// It is not, or not any more, what we need.
    Unfit(Unfit),
}

impl Failure {
    /// The connection is gone, or not to be used any more.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

/// Told about the first failure of a lane and about every refusal, before the callers are.
pub type OnFailure = Arc<dyn Fn(Failure) + Send + Sync>;

struct Request {
    command: Cmd,
    /// What it holds, about; 0 where that is little.
    bytes: usize,
    /// On the lane for long work; `None` also there for what is small and one of many.
    transit: Option<Arc<Transit>>,
    reply: oneshot::Sender<Result<Value>>,
}

/// Ends its connection when it is dropped.
pub struct Lane {
    shared: Arc<Shared>,
    sender: AbortHandle,
}

struct Shared {
    connection: Connection,
    outbox: Mutex<Vec<Request>>,
    filled: Notify,
    scripts: SentScripts,
    /// The longest silence while an answer is owed.
    deadline: Duration,
    on_failure: OnFailure,
    load: Load,
    pace: Arc<Pace>,
    /// Commands that have no answer yet, and what they hold.
    owed: AtomicUsize,
    bytes_owed: AtomicUsize,
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
        let shared = Arc::new(Shared {
            pace: connection.flow.pace.clone(),
            connection,
            outbox: Mutex::default(),
            filled: Notify::new(),
            scripts: SentScripts::default(),
            deadline,
            on_failure,
            load,
            owed: AtomicUsize::new(0),
            bytes_owed: AtomicUsize::new(0),
            unchecked: AtomicUsize::new(0),
        });
        let sender = match load {
            Load::Calls => tokio::spawn(send_calls(shared.clone())),
            Load::Bulk { at_once } => tokio::spawn(send_bulk(shared.clone(), at_once)),
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

    /// As [`Lane::query`], of what may be forbidden: a command of the caller's own, or one that
    /// nothing depends on.
    pub async fn query_if_allowed(&self, command: Cmd) -> Result<Value> {
        let (answer, _travel) = self.enqueue(command, 0);
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
        self.shared.enqueue(Request {
            command,
            bytes,
            transit,
            reply,
        });
        (answer, travel)
    }

    /// One of many that are small.
    fn enqueue_small(&self, command: Cmd) -> oneshot::Receiver<Result<Value>> {
        let (reply, answer) = oneshot::channel();
        self.shared.enqueue(Request {
            command,
            bytes: 0,
            transit: None,
            reply,
        });
        answer
    }

    /// The most that a read may ask for now, so that whoever calls next need not wait for long.
    pub fn read_room(&self) -> usize {
        let sharers = 1 + self.shared.owed.load(Relaxed);
        let most = (LARGE_BYTES / sharers).max(READ_WITH_OTHERS);
        (self.shared.pace.down() / (2 * sharers)).clamp(READ_AT_LEAST, most)
    }

    /// Whether a request of so many bytes may go now.
    pub fn has_room_for(&self, bytes: usize) -> bool {
        bytes <= READ_AT_LEAST
            || bytes <= LARGE_BYTES
                && self.shared.bytes_owed.load(Relaxed) + bytes <= self.shared.pace.up()
    }

    /// Sends all at once, small ones, and answers in order; the first error is the error of all.
    pub async fn query_all(&self, commands: Vec<Cmd>) -> Result<Vec<Value>> {
        let mut answers = Vec::with_capacity(commands.len());
        for command in commands {
            answers.push(self.enqueue_small(command));
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

impl Shared {
    fn enqueue(&self, request: Request) {
        self.owed.fetch_add(1, Relaxed);
        self.bytes_owed.fetch_add(request.bytes, Relaxed);
        let mut outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
        outbox.push(request);
        if outbox.len() == 1 {
            self.filled.notify_one();
        }
    }

    /// A riddle to go with so many commands, if it is time for one. Nothing is believed that was answered with it
    /// before it is answered itself.
    fn riddle(&self, commands: usize) -> Option<(Riddle, Cmd)> {
        let unchecked = self.unchecked.load(Relaxed) + commands;
        // An answer too many is dropped where nothing waits for one, and one too few is waited for.
        let is_alone = self.owed.load(Relaxed) <= 1;
        let is_due = !is_alone || unchecked >= CHECK_AFTER;
        self.unchecked
            .store(if is_due { 0 } else { unchecked }, Relaxed);
        is_due.then(|| self.connection.questions.riddle())?
    }

    fn take(&self) -> Vec<Request> {
        mem::take(&mut *self.outbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whoever waits learns of it after everybody else.
    fn fail(&self, failure: Failure, waiting: Vec<oneshot::Sender<Result<Value>>>) {
        // Nobody takes a server as away for what is large: those who sent it know more.
        let error = match (&failure, self.load) {
            (Failure::Silent, Load::Bulk { .. }) => StoreError::TimedOut,
            _ => StoreError::Lost,
        };
        (self.on_failure)(failure);
        self.connection.end();
        for reply in waiting {
            let _ = reply.send(Err(error.clone()));
        }
    }

    fn answer(&self, waiting: Vec<oneshot::Sender<Result<Value>>>, values: Vec<Value>) {
        for (reply, value) in waiting.into_iter().zip(values) {
            let outcome = reply::accept(value);
            if let Err(StoreError::Refused(code)) = &outcome {
                (self.on_failure)(Failure::Refused(code.clone()));
            }
            // A caller who has stopped waiting wants no answer.
            let _ = reply.send(outcome);
        }
    }
}

async fn send_calls(shared: Arc<Shared>) {
    loop {
        shared.filled.notified().await;
        let mut requests = shared.take().into_iter();
        while requests.len() > 0 {
            let chunk: Vec<Request> = requests.by_ref().take(PIPELINE_LENGTH).collect();
            let riddle = shared.riddle(chunk.len());
            tokio::spawn(send(shared.clone(), chunk, riddle));
        }
    }
}

async fn send_bulk(shared: Arc<Shared>, at_once: usize) {
    let places = Arc::new(Semaphore::new(at_once));
    let mut queued = shared.connection.flow.written();
    let answered = Arc::new(AtomicU64::new(queued));
    loop {
        shared.filled.notified().await;
        let mut requests = shared.take().into_iter().peekable();
        while let Some(request) = requests.next() {
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            let mut chunk = vec![request];
            while chunk.len() < PIPELINE_LENGTH && chunk[0].transit.is_none() {
                let Some(small) = requests.next_if(|next| next.transit.is_none()) else {
                    break;
                };
                chunk.push(small);
            }
            let riddle = shared.riddle(chunk.len());
            let commands = chunk.iter().map(|request| packed_bytes(&request.command));
            queued += commands.sum::<u64>();
            queued += riddle.as_ref().map_or(0, |(_, ask)| packed_bytes(ask));
            if let Some(transit) = &chunk[0].transit {
                let owed = queued - answered.load(Relaxed);
                let flow = &shared.connection.flow;
                flow.mark(queued, owed, transit.clone());
            }
            let sent = send(shared.clone(), chunk, riddle);
            let (end, answered) = (queued, answered.clone());
            tokio::spawn(async move {
                sent.await;
                answered.fetch_max(end, Relaxed);
                drop(place);
            });
        }
    }
}

/// What a command is on the wire.
fn packed_bytes(command: &Cmd) -> u64 {
    fn counted(length: usize) -> usize {
        let mut digits = itoa::Buffer::new();
        1 + digits.format(length).len() + 2
    }
    let arguments = command.args_iter().map(|argument| match argument {
        Arg::Simple(bytes) => counted(bytes.len()) + bytes.len() + 2,
        _ => 0,
    });
    (counted(command.args_iter().len()) + arguments.sum::<usize>()) as u64
}

async fn send(shared: Arc<Shared>, requests: Vec<Request>, riddle: Option<(Riddle, Cmd)>) {
    let (count, mut bytes, mut transit) = (requests.len(), 0, None);
    let mut pipeline = Pipeline::with_capacity(count + 1);
    let mut waiting = Vec::with_capacity(count);
    for request in requests {
        bytes += request.bytes;
        transit = request.transit;
        pipeline.add_command(request.command);
        waiting.push(request.reply);
    }
    let (sent, read_before) = (Instant::now(), shared.connection.flow.read());
    let mut commands = shared.connection.commands.clone();
    let riddle = riddle.map(|(riddle, ask)| {
        pipeline.add_command(ask);
        riddle
    });
    let exchange = commands.send_packed_commands(&pipeline, 0, pipeline.len());
    let answered = unless_silent(&shared, sent, transit.as_deref(), exchange).await;
    shared.owed.fetch_sub(count, Relaxed);
    shared.bytes_owed.fetch_sub(bytes, Relaxed);
    match answered {
        Some(Ok(values)) if values.len() == pipeline.len() => {
            let is_in_step = |riddle: Riddle| {
                values
                    .last()
                    .is_some_and(|last| riddle.is_answered_by(last))
            };
            if !riddle.is_none_or(is_in_step) {
                return shared.fail(Failure::Unfit(OUT_OF_STEP), waiting);
            }
            let now = Instant::now();
            let flow = &shared.connection.flow;
            if bytes > 0 {
                shared.pace.went(bytes as u64, now);
            }
            match shared.load {
                Load::Bulk { .. } => flow.progress.answered(),
                Load::Calls => {
                    let read = flow.read() - read_before;
                    shared.pace.took(now - sent, read, bytes as u64);
                }
            }
            shared.answer(waiting, values);
        }
        Some(_) => shared.fail(Failure::Closed, waiting),
        None => shared.fail(Failure::Silent, waiting),
    }
}

/// `None`: a deadline has passed without anything that moved on its connection.
async fn unless_silent<T>(
    shared: &Shared,
    sent: Instant,
    transit: Option<&Transit>,
    exchange: impl Future<Output = RedisResult<T>>,
) -> Option<RedisResult<T>> {
    let mut exchange = std::pin::pin!(exchange);
    let mut by = sent + shared.deadline;
    let end = sent + shared.deadline * MOST_DEADLINES;
    loop {
        if let Ok(answered) = timeout_at(by, &mut exchange).await {
            return Some(answered);
        }
        let moved = match transit {
            Some(transit) => transit.until(shared.deadline),
            None => Some(shared.connection.flow.progress.last_read() + shared.deadline),
        };
        by = moved.filter(|moved| *moved > by)?.min(end);
        if by <= Instant::now() {
            return None;
        }
    }
}
