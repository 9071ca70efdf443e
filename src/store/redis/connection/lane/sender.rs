//! Takes what is queued in front of a connection, sends it in pipelines, and gives every caller its
//! answer, or the error that there will be none.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use redis::{Arg, Cmd, Pipeline, RedisResult, Value};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use super::{LaneFailure, LaneRequest, LaneShared, Load};
use crate::store::redis::connection::flow::{MOST_DEADLINES, Transit};
use crate::store::redis::connection::peer_check::{OUT_OF_STEP, Riddle};
use crate::store::redis::reply;
use crate::store::{Result, StoreError};

/// Commands in one pipeline: enough to make the cost of one negligible, few enough that the first
/// answers of a large batch arrive long before its last.
const PIPELINE_LENGTH: usize = 128;
/// A riddle is asked after this many commands that were sent alone, to check that answers belong to
/// their questions. Where several are in flight, each pipeline ends with a riddle, which costs as
/// much as the cheapest command.
const CHECK_AFTER: usize = 32;
/// Copying more than this takes a while.
const LARGE_BYTES: u64 = 256 * 1024;

pub async fn send_calls(shared: Arc<LaneShared>) {
    loop {
        shared.filled.notified().await;
        let mut requests = shared.take().into_iter();
        while requests.len() > 0 {
            let chunk: Vec<LaneRequest> = requests.by_ref().take(PIPELINE_LENGTH).collect();
            let riddle = shared.riddle(chunk.len());
            tokio::spawn(send(shared.clone(), chunk, riddle));
        }
    }
}

pub async fn send_bulk(shared: Arc<LaneShared>, at_once: usize) {
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
            let bytes = commands.sum::<u64>();
            if bytes > LARGE_BYTES {
                // It is copied several times on its way; what has arrived meanwhile is handled
                // before each copy.
                yield_now().await;
            }
            queued += bytes;
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

/// A command in wire format.
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

async fn send(shared: Arc<LaneShared>, requests: Vec<LaneRequest>, riddle: Option<(Riddle, Cmd)>) {
    let (count, mut bytes, mut asked, mut transit) = (requests.len(), 0, 0, None);
    let mut pipeline = Pipeline::with_capacity(count + 1);
    let mut waiting = Vec::with_capacity(count);
    for request in requests {
        bytes += request.bytes;
        asked += request.asked;
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
    shared.bytes_asked.fetch_sub(asked, Relaxed);
    match answered {
        Some(Ok(values)) if values.len() == pipeline.len() => {
            let is_in_step = |riddle: Riddle| {
                values
                    .last()
                    .is_some_and(|last| riddle.is_answered_by(last))
            };
            if !riddle.is_none_or(is_in_step) {
                return shared.fail(LaneFailure::Unfit(OUT_OF_STEP), waiting);
            }
            let now = Instant::now();
            let flow = &shared.connection.flow;
            if bytes > 0 {
                shared.bandwidth.went(bytes as u64, now);
            }
            match shared.load {
                Load::Bulk { .. } => {
                    shared.read_before.store(flow.read(), Relaxed);
                    flow.progress.answered();
                }
                Load::Calls => {
                    let read = flow.read() - read_before;
                    shared.bandwidth.took(now - sent, read, bytes as u64);
                }
            }
            shared.answer(waiting, values);
        }
        Some(_) => shared.fail(LaneFailure::Closed, waiting),
        None => shared.fail(LaneFailure::Silent, waiting),
    }
}

/// `None`: a deadline has passed in which nothing moved on its connection.
async fn unless_silent<T>(
    shared: &LaneShared,
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

impl LaneShared {
    /// A riddle to send with this many commands, if one is due. No answer that came with it is used
    /// before the riddle itself is answered.
    fn riddle(&self, commands: usize) -> Option<(Riddle, Cmd)> {
        let unchecked = self.unchecked.load(Relaxed) + commands;
        // An answer too many is dropped where no caller waits for one; one too few is waited for.
        let is_alone = self.owed.load(Relaxed) <= 1;
        let is_due = !is_alone || unchecked >= CHECK_AFTER;
        self.unchecked
            .store(if is_due { 0 } else { unchecked }, Relaxed);
        is_due.then(|| self.connection.questions.riddle())?
    }

    fn take(&self) -> Vec<LaneRequest> {
        mem::take(&mut *self.outbox.lock())
    }

    /// The waiting caller learns of it after everyone else.
    fn fail(&self, failure: LaneFailure, waiting: Vec<oneshot::Sender<Result<Value>>>) {
        // The failure of a large transfer does not mean that the server is unavailable: its senders
        // know more.
        let error = match (&failure, self.load) {
            (LaneFailure::Silent, Load::Bulk { .. }) => StoreError::TimedOut,
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
                (self.on_failure)(LaneFailure::Refused(code.clone()));
            }
            // A caller who has stopped waiting needs no answer.
            let _ = reply.send(outcome);
        }
    }
}
