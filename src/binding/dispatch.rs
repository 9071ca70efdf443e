//! From the words of a submission to calls of the backplane, each a task of its own, so that
//! none waits for another.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use napi_derive::napi;
use serde_json::{Value as JsonValue, json};

use super::outbox::{Outbox, Reply};
use super::page::Answer;
use super::submission::{Reader, Submission};
use crate::backplane::{Backplane, CallError};
use crate::store::{Fetched, Lease, Lifetime, Reply as ServerReply, Ttl};

/// What JavaScript can ask for. The comment names the arguments in the order of their words.
#[napi]
#[derive(Clone, Copy)]
pub enum Op {
    /// Begins to connect. Nothing is answered.
    Start,
    /// key
    CacheGet,
    /// key, TTL in ms, value
    CacheSet,
    /// key
    CacheDelete,
    /// pattern
    CacheDeletePattern,
    /// key, TTL of a lease in ms
    CacheFetch,
    /// key, lease (2 words), TTL in ms, stale ms, value
    CacheFill,
    /// key, lease (2 words)
    CacheAbandon,
    /// the words of a command, each after its length (4 bytes, little-endian), as one value
    Call,
    Close,
}

const OPS: [Op; 10] = [
    Op::Start,
    Op::CacheGet,
    Op::CacheSet,
    Op::CacheDelete,
    Op::CacheDeletePattern,
    Op::CacheFetch,
    Op::CacheFill,
    Op::CacheAbandon,
    Op::Call,
    Op::Close,
];

/// To be called on the I/O thread.
pub fn dispatch(
    submission: &Submission,
    outbox: &Arc<Outbox>,
    backplane_of: impl Fn(u32) -> Option<Arc<Backplane>>,
) {
    let mut reader = Reader::new(submission);
    let mut current: Option<(u32, Arc<Backplane>)> = None;
    while !reader.is_done() {
        let (op, id, number) = (reader.u32() as usize, reader.u32(), reader.u32());
        if current.as_ref().is_none_or(|(known, _)| *known != number) {
            current = backplane_of(number).map(|backplane| (number, backplane));
        }
        let (Some(op), Some((_, backplane))) = (OPS.get(op), &current) else {
            // The facade sends neither; where the next call would begin is not known.
            return;
        };
        backplane.start();
        begin(*op, backplane.clone(), &mut reader, || {
            Reply::new(outbox, id)
        });
    }
}

fn begin(op: Op, backplane: Arc<Backplane>, arguments: &mut Reader, reply: impl FnOnce() -> Reply) {
    match op {
        Op::Start => {}
        Op::CacheGet => {
            let key = arguments.text();
            run(backplane, reply(), move |b| async move {
                b.cache_get(&key).await.map_or(Answer::Null, whole)
            });
        }
        Op::CacheSet => {
            let (key, ttl, value) = (arguments.text(), ttl(arguments), arguments.value());
            run(backplane, reply(), move |b| async move {
                Answer::Bool(b.cache_set(&key, value, ttl).await)
            });
        }
        Op::CacheDelete => {
            let key = arguments.text();
            run(backplane, reply(), move |b| async move {
                Answer::Bool(b.cache_delete(&key).await)
            });
        }
        Op::CacheDeletePattern => {
            let pattern = arguments.text();
            run(backplane, reply(), move |b| async move {
                whole(b.cache_delete_pattern(&pattern).await.to_string())
            });
        }
        Op::CacheFetch => {
            let (key, lease_ttl) = (arguments.text(), ttl(arguments));
            run(backplane, reply(), move |b| async move {
                fetched(b.cache_fetch(&key, lease_ttl).await)
            });
        }
        Op::CacheFill => {
            let (key, lease) = (arguments.text(), Lease(arguments.u64()));
            let lifetime = Lifetime {
                fresh: ttl(arguments),
                stale_ms: arguments.number() as u64,
            };
            let value = arguments.value();
            run(backplane, reply(), move |b| async move {
                Answer::Bool(b.cache_fill(&key, lease, value, lifetime).await)
            });
        }
        Op::CacheAbandon => {
            let (key, lease) = (arguments.text(), Lease(arguments.u64()));
            run(backplane, reply(), move |b| async move {
                b.cache_abandon(&key, lease).await;
                Answer::Undefined
            });
        }
        Op::Call => {
            let words = arguments.value();
            run(backplane, reply(), move |b| async move {
                called(b.call(&split(&words)).await)
            });
        }
        Op::Close => {
            let reply = reply();
            tokio::spawn(async move {
                backplane.close().await;
                reply.send(Answer::Undefined);
            });
        }
    }
}

fn run<F>(backplane: Arc<Backplane>, reply: Reply, call: impl FnOnce(Arc<Backplane>) -> F)
where
    F: Future<Output = Answer> + Send + 'static,
{
    let pending = backplane.pending();
    let answer = call(backplane);
    tokio::spawn(async move {
        reply.send(answer.await);
        drop(pending);
    });
}

fn ttl(arguments: &mut Reader) -> Ttl {
    Ttl::from_millis(arguments.number())
}

fn whole(text: impl Into<Bytes>) -> Answer {
    Answer::Json(vec![text.into()])
}

/// `[value]`: fresh. `[value, high, low]`: stale, with a lease. `[high, low]`: absent.
fn fetched(fetched: Fetched) -> Answer {
    let words = |lease: Lease| (lease.0 >> 32, lease.0 & 0xffff_ffff);
    let begin = Bytes::from_static(b"[");
    match fetched {
        Fetched::Fresh(value) => Answer::Json(vec![begin, value, Bytes::from_static(b"]")]),
        Fetched::Stale(value, lease) => {
            let (high, low) = words(lease);
            Answer::Json(vec![begin, value, format!(",{high},{low}]").into()])
        }
        Fetched::Absent(lease) => {
            let (high, low) = words(lease);
            whole(format!("[{high},{low}]"))
        }
    }
}

fn split(mut joined: &[u8]) -> Vec<&[u8]> {
    let mut words = Vec::new();
    while let Some((length, rest)) = joined.split_first_chunk() {
        let length = (u32::from_le_bytes(*length) as usize).min(rest.len());
        let (word, rest) = rest.split_at(length);
        words.push(word);
        joined = rest;
    }
    words
}

fn called(outcome: Result<ServerReply, CallError>) -> Answer {
    let (code, message) = match outcome {
        Ok(reply) => return whole(js_value(reply).to_string()),
        Err(CallError::Unavailable) => ("E_UNAVAILABLE", "Redis is unavailable".into()),
        Err(CallError::TimedOut) => ("E_TIMEOUT", "Redis did not answer in time".into()),
        Err(CallError::Unsupported(why)) => ("E_UNSUPPORTED", format!("the command {why}")),
        Err(CallError::Server(text)) => ("E_REPLY", text),
    };
    Answer::Error { code, message }
}

fn js_value(reply: ServerReply) -> JsonValue {
    match reply {
        ServerReply::Nil => JsonValue::Null,
        ServerReply::Int(number) => json!(number),
        ServerReply::Double(number) => json!(number),
        ServerReply::Text(bytes) => json!(String::from_utf8_lossy(&bytes)),
        ServerReply::Array(items) => items.into_iter().map(js_value).collect(),
        ServerReply::Error(text) => json!(text),
    }
}
