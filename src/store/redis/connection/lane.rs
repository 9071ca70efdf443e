//! A lane: a queue of commands in front of one connection. What is queued in one turn of the
//! I/O thread leaves as pipelines of bounded length, so that a batch costs a few system calls
//! and yet nobody waits for all of it.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::{Cmd, Pipeline, Value};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::open::Connection;
use crate::store::redis::reply;
use crate::store::redis::script::{Lua, SentScripts};
use crate::store::{Key, Result, StoreError};

/// Commands in one pipeline: enough to make the cost of one vanish, few enough that the first
/// answers of a large batch arrive long before its last.
const PIPELINE_LENGTH: usize = 128;

/// Why a lane cannot be used any more, or should not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The stream ended.
    Closed,
    /// No answer within the deadline.
    Silent,
    /// The server refuses to serve; holds its error code.
    Refused(String),
}

/// Told about the first failure of a lane and about every refusal, before the callers are.
pub type OnFailure = Arc<dyn Fn(Failure) + Send + Sync>;

struct Request {
    command: Cmd,
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
    /// No command waits longer for its answer.
    deadline: Duration,
    on_failure: OnFailure,
}

impl Lane {
    pub fn new(connection: Connection, deadline: Duration, on_failure: OnFailure) -> Self {
        let shared = Arc::new(Shared {
            connection,
            outbox: Mutex::default(),
            filled: Notify::new(),
            scripts: SentScripts::default(),
            deadline,
            on_failure,
        });
        let sender = tokio::spawn(send_all(shared.clone())).abort_handle();
        Self { shared, sender }
    }

    /// Sends one command. Commands leave in the order in which their futures are first polled.
    pub async fn query(&self, command: Cmd) -> Result<Value> {
        let (reply, answer) = oneshot::channel();
        self.shared.enqueue(Request { command, reply });
        answer.await.unwrap_or(Err(StoreError::Lost))
    }

    /// Sends all at once and answers in order; the first error is the error of all.
    pub async fn query_all(&self, commands: Vec<Cmd>) -> Result<Vec<Value>> {
        let mut answers = Vec::with_capacity(commands.len());
        for command in commands {
            let (reply, answer) = oneshot::channel();
            self.shared.enqueue(Request { command, reply });
            answers.push(answer);
        }
        let mut values = Vec::with_capacity(answers.len());
        for answer in answers {
            values.push(answer.await.unwrap_or(Err(StoreError::Lost))?);
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
        let mut outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
        outbox.push(request);
        if outbox.len() == 1 {
            self.filled.notify_one();
        }
    }

    fn take(&self) -> Vec<Request> {
        mem::take(&mut *self.outbox.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn send_all(shared: Arc<Shared>) {
    loop {
        shared.filled.notified().await;
        let mut requests = shared.take().into_iter();
        while requests.len() > 0 {
            let chunk: Vec<Request> = requests.by_ref().take(PIPELINE_LENGTH).collect();
            tokio::spawn(send(shared.clone(), chunk));
        }
    }
}

async fn send(shared: Arc<Shared>, requests: Vec<Request>) {
    let mut pipeline = Pipeline::with_capacity(requests.len());
    let mut waiting = Vec::with_capacity(requests.len());
    for request in requests {
        pipeline.add_command(request.command);
        waiting.push(request.reply);
    }
    let mut commands = shared.connection.commands.clone();
    let exchange = commands.send_packed_commands(&pipeline, 0, waiting.len());
    let failure = match timeout(shared.deadline, exchange).await {
        Ok(Ok(values)) if values.len() == waiting.len() => {
            return answer(&shared, waiting, values);
        }
        Ok(_) => Failure::Closed,
        Err(_) => Failure::Silent,
    };
    (shared.on_failure)(failure);
    shared.connection.end();
    for reply in waiting {
        let _ = reply.send(Err(StoreError::Lost));
    }
}

fn answer(shared: &Shared, waiting: Vec<oneshot::Sender<Result<Value>>>, values: Vec<Value>) {
    for (reply, value) in waiting.into_iter().zip(values) {
        let outcome = reply::accept(value);
        if let Err(StoreError::Refused(code)) = &outcome {
            (shared.on_failure)(Failure::Refused(code.clone()));
        }
        // A caller who has stopped waiting wants no answer.
        let _ = reply.send(outcome);
    }
}
