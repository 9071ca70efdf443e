//! From the words of a submission to calls of the backplane, each a task of its own, so that
//! none waits for another.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use napi_derive::napi;
use serde_json::{Value as JsonValue, json};

use super::outbox::{Outbox, Reply};
use super::page::{Answer, tag};
use super::submission::{Reader, Submission};
use crate::backplane::{Backplane, CallError, Source};
use crate::store::bus::{Reach, TopicKind};
use crate::store::limits::{Algorithm, Rule, Verdict};
use crate::store::topics::Tag;
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
    /// key, algorithm, limit, window in ms, cost
    LimitCheck,
    /// key
    LimitReset,
    /// channel, reach, payload
    Publish,
    /// reach, the channels as the words of Call
    Receivers,
    /// name, subscriber, kind of topic, number of the topic, whether payloads are JSON
    Subscribe,
    /// name, subscriber, kind of topic
    Unsubscribe,
    /// subscriber. Nothing is answered.
    CloseSubscriber,
    /// Answers whether Redis is there, once that is known.
    Initialize,
    Close,
}

const OPS: [Op; 18] = [
    Op::Start,
    Op::CacheGet,
    Op::CacheSet,
    Op::CacheDelete,
    Op::CacheDeletePattern,
    Op::CacheFetch,
    Op::CacheFill,
    Op::CacheAbandon,
    Op::Call,
    Op::LimitCheck,
    Op::LimitReset,
    Op::Publish,
    Op::Receivers,
    Op::Subscribe,
    Op::Unsubscribe,
    Op::CloseSubscriber,
    Op::Initialize,
    Op::Close,
];

/// How JavaScript numbers the algorithms, what a topic can be, and how far a message reaches.
const ALGORITHMS: [Algorithm; 3] = [
    Algorithm::FixedWindow,
    Algorithm::SlidingWindow,
    Algorithm::TokenBucket,
];
const TOPIC_KINDS: [TopicKind; 3] = [TopicKind::Channel, TopicKind::Pattern, TopicKind::Shard];
const REACHES: [Reach; 2] = [Reach::Everywhere, Reach::Shard];

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
        let Some(op) = OPS.get(op) else {
            // Where the next call would begin is not known.
            return;
        };
        let call = Call::read(*op, &mut reader);
        match &current {
            Some((_, backplane)) => {
                backplane.start();
                begin(call, backplane.clone(), || Reply::new(outbox, id));
            }
            None if matches!(call, Call::Start | Call::CloseSubscriber(_)) => {}
            None => Reply::new(outbox, id).send(gone()),
        }
    }
}

/// A call and its arguments.
enum Call {
    Start,
    Get(Box<[u8]>),
    Set(Box<[u8]>, Ttl, Bytes),
    Delete(Box<[u8]>),
    DeletePattern(Box<[u8]>),
    Fetch(Box<[u8]>, Ttl),
    Fill(Box<[u8]>, Lease, Lifetime, Bytes),
    Abandon(Box<[u8]>, Lease),
    Command(Bytes),
    LimitCheck(Box<[u8]>, Rule, u64),
    LimitReset(Box<[u8]>),
    Publish(Box<[u8]>, Reach, Bytes),
    Receivers(Reach, Bytes),
    Subscribe(Box<[u8]>, u32, TopicKind, Tag),
    Unsubscribe(Box<[u8]>, u32, TopicKind),
    CloseSubscriber(u32),
    Initialize,
    Close,
}

impl Call {
    fn read(op: Op, from: &mut Reader) -> Self {
        match op {
            Op::Start => Self::Start,
            Op::CacheGet => Self::Get(from.text()),
            Op::CacheSet => Self::Set(from.text(), ttl(from), from.value()),
            Op::CacheDelete => Self::Delete(from.text()),
            Op::CacheDeletePattern => Self::DeletePattern(from.text()),
            Op::CacheFetch => Self::Fetch(from.text(), ttl(from)),
            Op::CacheFill => {
                let (key, lease) = (from.text(), Lease(from.u64()));
                let lifetime = Lifetime {
                    fresh: ttl(from),
                    stale_ms: from.number() as u64,
                };
                Self::Fill(key, lease, lifetime, from.value())
            }
            Op::CacheAbandon => Self::Abandon(from.text(), Lease(from.u64())),
            Op::Call => Self::Command(from.value()),
            Op::LimitCheck => {
                let key = from.text();
                let rule = Rule {
                    algorithm: choose(&ALGORITHMS, from),
                    limit: from.number() as u64,
                    window_ms: ttl(from).as_millis(),
                };
                Self::LimitCheck(key, rule, from.number() as u64)
            }
            Op::LimitReset => Self::LimitReset(from.text()),
            Op::Publish => Self::Publish(from.text(), choose(&REACHES, from), from.value()),
            Op::Receivers => Self::Receivers(choose(&REACHES, from), from.value()),
            Op::Subscribe => {
                let (name, subscriber, kind) =
                    (from.text(), from.u32(), choose(&TOPIC_KINDS, from));
                let id = from.u32();
                Self::Subscribe(name, subscriber, kind, tag::new(id, from.u32() != 0))
            }
            Op::Unsubscribe => {
                Self::Unsubscribe(from.text(), from.u32(), choose(&TOPIC_KINDS, from))
            }
            Op::CloseSubscriber => Self::CloseSubscriber(from.u32()),
            Op::Initialize => Self::Initialize,
            Op::Close => Self::Close,
        }
    }
}

fn begin(call: Call, backplane: Arc<Backplane>, reply: impl FnOnce() -> Reply) {
    match call {
        Call::Start => {}
        Call::Get(key) => run(backplane, reply(), move |b| async move {
            b.cache_get(&key).await.map_or(Answer::Null, whole)
        }),
        Call::Set(key, ttl, value) => run(backplane, reply(), move |b| async move {
            Answer::Bool(b.cache_set(&key, value, ttl).await)
        }),
        Call::Delete(key) => run(backplane, reply(), move |b| async move {
            Answer::Bool(b.cache_delete(&key).await)
        }),
        Call::DeletePattern(pattern) => run(backplane, reply(), move |b| async move {
            whole(b.cache_delete_pattern(&pattern).await.to_string())
        }),
        Call::Fetch(key, lease_ttl) => run(backplane, reply(), move |b| async move {
            fetched(b.cache_fetch(&key, lease_ttl).await)
        }),
        Call::Fill(key, lease, lifetime, value) => run(backplane, reply(), move |b| async move {
            Answer::Bool(b.cache_fill(&key, lease, value, lifetime).await)
        }),
        Call::Abandon(key, lease) => run(backplane, reply(), move |b| async move {
            b.cache_abandon(&key, lease).await;
            Answer::Undefined
        }),
        Call::Command(words) => run(backplane, reply(), move |b| async move {
            called(b.call(&split(&words)).await)
        }),
        Call::LimitCheck(key, rule, cost) => run(backplane, reply(), move |b| async move {
            let (verdict, source) = b.limit_check(&key, rule, cost).await;
            whole(checked(rule, verdict, source))
        }),
        Call::LimitReset(key) => run(backplane, reply(), move |b| async move {
            b.limit_reset(&key).await;
            Answer::Undefined
        }),
        Call::Publish(channel, reach, payload) => run(backplane, reply(), move |b| async move {
            whole(b.publish(reach, &channel, payload).await.to_string())
        }),
        Call::Receivers(reach, channels) => run(backplane, reply(), move |b| async move {
            whole(json!(b.receivers(reach, &split(&channels)).await).to_string())
        }),
        Call::Subscribe(name, subscriber, kind, tag) => {
            run(backplane, reply(), move |b| async move {
                Answer::Bool(b.subscribe(subscriber, kind, &name, tag).await)
            })
        }
        Call::Unsubscribe(name, subscriber, kind) => run(backplane, reply(), move |b| async move {
            b.unsubscribe(subscriber, kind, &name).await;
            Answer::Undefined
        }),
        // In its turn, behind the calls of the subscriber that came before.
        Call::CloseSubscriber(subscriber) => drop(tokio::spawn(async move {
            backplane.close_subscriber(subscriber);
        })),
        Call::Initialize => run(backplane, reply(), move |b| async move {
            Answer::Bool(b.initialized().await)
        }),
        Call::Close => {
            let reply = reply();
            tokio::spawn(async move {
                backplane.close().await;
                reply.send(Answer::Undefined);
            });
        }
    }
}

/// The facade rejects calls of a closed backplane by itself; this one was on its way.
fn gone() -> Answer {
    Answer::Error {
        code: "E_CLOSED",
        message: "this backplane has been closed".into(),
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

/// One of a few, by its number.
fn choose<T: Copy>(from: &[T], arguments: &mut Reader) -> T {
    let number = arguments.u32() as usize;
    from[number.min(from.len() - 1)]
}

fn whole(text: impl Into<Bytes>) -> Answer {
    Answer::Json(text.into())
}

fn fetched(fetched: Fetched) -> Answer {
    match fetched {
        Fetched::Fresh(value) => Answer::Fresh(value),
        Fetched::Stale(value, lease) => Answer::Stale(value, lease),
        Fetched::Absent(lease) => Answer::Absent(lease),
    }
}

/// As `lib/limits.js` hands it out.
fn checked(rule: Rule, verdict: Verdict, source: Source) -> String {
    let Verdict {
        allowed,
        count,
        remaining,
        reset_at_ms,
        retry_after_ms,
    } = verdict;
    let limit = rule.limit;
    let source = match source {
        Source::Redis => "redis",
        Source::Memory => "memory",
    };
    format!(
        r#"{{"allowed":{allowed},"remaining":{remaining},"resetAt":{reset_at_ms},"count":{count},"limit":{limit},"retryAfterMs":{retry_after_ms},"source":"{source}"}}"#
    )
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
