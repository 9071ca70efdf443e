//! From the words of a submission to calls of the backplane, each a task of its own, so that
//! none waits for another.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::Backplane;
use super::completion::Answer;
use super::completion_queue::{CompletionQueue, Responder};
use super::decode::DecodedCall;
use super::encode::{called, checked, fetched, found, gone, locked, present, users, whole};
use super::metrics::health;
use super::op::OPS;
use super::submission::{EncodedCall, NO_ANSWER, Submission};
use crate::backplane::{Keeping, MeasuredCall};
use crate::store::presence::{Place, Socket};

/// To be called on the I/O thread.
pub fn dispatch(
    submission: &Submission,
    completion_queue: &Arc<CompletionQueue>,
    backplane_of: impl Fn(u32) -> Option<Arc<Backplane>>,
) {
    let mut current: Option<(u32, Arc<Backplane>)> = None;
    for written in submission.calls() {
        let EncodedCall { op, id, .. } = written;
        let bytes = written.arguments.bytes();
        let number = written.backplane;
        let reply = |id| Responder::new(completion_queue, id);
        if current.as_ref().is_none_or(|(known, _)| *known != number) {
            current = backplane_of(number).map(|backplane| (number, backplane));
        }
        let Some(call) = understand(written) else {
            // Dropped, a duty to answer says that this is a bug.
            drop(id.map(reply));
            continue;
        };
        match (&current, id) {
            (Some((_, backplane)), id) => {
                backplane.start();
                let at = submission.at;
                let asked = CallOrigin {
                    kind: op,
                    at,
                    bytes,
                };
                let reply = || (asked, reply(id.unwrap_or(NO_ANSWER)));
                begin(call, backplane.clone(), reply);
            }
            (None, Some(id)) => reply(id).send(gone()),
            (None, None) => {}
        }
    }
}

fn understand(written: EncodedCall) -> Option<DecodedCall> {
    let call = DecodedCall::read(*OPS.get(written.op)?, written.arguments)?;
    (call.wants_no_answer() == written.id.is_none()).then_some(call)
}

/// Whoever told something in time hears that it is remembered; how it went is not known.
const TRUE: fn() -> Answer = || Answer::Bool(true);
const FALSE: fn() -> Answer = || Answer::Bool(false);
const NOTHING: fn() -> Answer = || Answer::Undefined;
const NONE_REMOVED: fn() -> Answer = || whole("0");

/// What kind of call came, when, and how large its arguments are.
struct CallOrigin {
    kind: usize,
    at: Instant,
    bytes: usize,
}

fn begin(
    call: DecodedCall,
    backplane: Arc<Backplane>,
    reply: impl FnOnce() -> (CallOrigin, Responder),
) {
    match call {
        DecodedCall::Start => {}
        DecodedCall::Get(key) => run(backplane, reply(), move |b| async move {
            found(b.cache_get(&key).await).await
        }),
        DecodedCall::Set(key, ttl, value) => tell(backplane, reply(), TRUE, move |b| async move {
            Answer::Bool(b.cache_set(&key, value, ttl).await)
        }),
        DecodedCall::Delete(key) => tell(backplane, reply(), TRUE, move |b| async move {
            Answer::Bool(b.cache_delete(&key).await)
        }),
        DecodedCall::DeletePattern(pattern) => run(backplane, reply(), move |b| async move {
            whole(b.cache_delete_pattern(&pattern).await.to_string())
        }),
        DecodedCall::Fetch(key, lease_ttl) => run(backplane, reply(), move |b| async move {
            fetched(b.cache_fetch(&key, lease_ttl).await)
        }),
        DecodedCall::Fill(key, lease, lifetime, value) => {
            tell(backplane, reply(), FALSE, move |b| async move {
                Answer::Bool(b.cache_fill(&key, lease, value, lifetime).await)
            })
        }
        DecodedCall::Abandon(key, lease) => {
            tell(backplane, reply(), NOTHING, move |b| async move {
                b.cache_abandon(&key, lease).await;
                Answer::Undefined
            })
        }
        DecodedCall::QueryGet(query) => run(backplane, reply(), move |b| async move {
            found(b.query_get(&query).await).await
        }),
        DecodedCall::QuerySet(query, ttl, value) => {
            tell(backplane, reply(), TRUE, move |b| async move {
                Answer::Bool(b.query_set(&query, value, ttl).await)
            })
        }
        DecodedCall::QueryFetch(query) => run(backplane, reply(), move |b| async move {
            fetched(b.query_fetch(&query).await)
        }),
        DecodedCall::QueryFill(query, lease, ttl, value) => {
            tell(backplane, reply(), FALSE, move |b| async move {
                Answer::Bool(b.query_fill(&query, lease, value, ttl).await)
            })
        }
        DecodedCall::QueryAbandon(query, lease) => run(backplane, reply(), move |b| async move {
            b.query_abandon(&query, lease);
            Answer::Undefined
        }),
        DecodedCall::QueryInvalidate(pattern) => run(backplane, reply(), move |b| async move {
            whole(b.query_invalidate(&pattern).await.to_string())
        }),
        DecodedCall::QueryInvalidateName(name) => {
            tell(backplane, reply(), NONE_REMOVED, move |b| async move {
                whole(b.query_invalidate_name(&name).await.to_string())
            })
        }
        DecodedCall::QueryInvalidateRoom(room) => {
            tell(backplane, reply(), NONE_REMOVED, move |b| async move {
                whole(b.query_invalidate_room(&room).await.to_string())
            })
        }
        DecodedCall::SessionGet(socket) => run(backplane, reply(), move |b| async move {
            found(b.session_get(&socket).await).await
        }),
        DecodedCall::SessionSet(socket, users, ttl, value) => {
            tell(backplane, reply(), TRUE, move |b| async move {
                Answer::Bool(b.session_set(&socket, &users, value, ttl).await)
            })
        }
        DecodedCall::SessionDelete(socket) => tell(backplane, reply(), TRUE, move |b| async move {
            Answer::Bool(b.session_delete(&socket).await)
        }),
        DecodedCall::SessionInvalidate(user) => {
            tell(backplane, reply(), NONE_REMOVED, move |b| async move {
                whole(b.session_invalidate(&user).await.to_string())
            })
        }
        DecodedCall::MessageGet(hash) => run(backplane, reply(), move |b| async move {
            found(b.message_get(&hash).await).await
        }),
        DecodedCall::MessageSet(hash, ttl, value) => {
            tell(backplane, reply(), NOTHING, move |b| async move {
                b.message_set(&hash, value, ttl).await;
                Answer::Undefined
            })
        }
        DecodedCall::MessageClear => tell(backplane, reply(), NOTHING, move |b| async move {
            b.message_clear().await;
            Answer::Undefined
        }),
        DecodedCall::Command(words) => run(backplane, reply(), move |b| async move {
            called(b.call(&split(&words)).await).await
        }),
        DecodedCall::LimitCheck(key, rule, cost) => run(backplane, reply(), move |b| async move {
            let (verdict, source) = b.limit_check(&key, rule, cost).await;
            whole(checked(rule, verdict, source))
        }),
        DecodedCall::LimitReset(key) => tell(backplane, reply(), NOTHING, move |b| async move {
            b.limit_reset(&key).await;
            Answer::Undefined
        }),
        DecodedCall::LockTake(request) => run(backplane, reply(), move |b| async move {
            let is_named = request.keeping == Keeping::Named;
            locked(b.lock_take(request).await, is_named)
        }),
        DecodedCall::LockRelease(handle) => tell(backplane, reply(), FALSE, move |b| async move {
            Answer::Bool(b.lock_release(handle).await)
        }),
        DecodedCall::LockReleaseNamed(name) => {
            tell(backplane, reply(), FALSE, move |b| async move {
                Answer::Bool(b.lock_release_named(&name).await)
            })
        }
        DecodedCall::LockExtend(handle, ttl) => run(backplane, reply(), move |b| async move {
            Answer::Bool(b.lock_extend(handle, ttl).await)
        }),
        // Behind the call that is to stop.
        DecodedCall::LockCancel(handle) => drop(tokio::spawn(async move {
            backplane.lock_cancel(handle);
        })),
        DecodedCall::PresenceSet(name, ttl, metadata) => {
            tell(backplane, reply(), TRUE, move |b| async move {
                let socket = Socket::new(&name.user, &name.socket, &metadata);
                Answer::Bool(b.presence_set(socket, ttl).await)
            })
        }
        DecodedCall::PresenceRefresh(name, ttl, metadata) => {
            tell(backplane, reply(), TRUE, move |b| async move {
                let refreshed = b.presence_refresh(&name.user, &name.socket, &metadata, ttl);
                Answer::Bool(refreshed.await)
            })
        }
        DecodedCall::PresenceRemove(name) => tell(backplane, reply(), TRUE, move |b| async move {
            Answer::Bool(b.presence_remove(&name.user, &name.socket).await)
        }),
        DecodedCall::PresenceIsOnline(user) => run(backplane, reply(), move |b| async move {
            Answer::Bool(b.presence_are_online(&[&user]).await == [true])
        }),
        DecodedCall::PresenceAreOnline(users) => run(backplane, reply(), move |b| async move {
            let users: Vec<String> = serde_json::from_slice(&users).unwrap_or_default();
            let users: Vec<&str> = users.iter().map(String::as_str).collect();
            whole(json!(b.presence_are_online(&users).await).to_string())
        }),
        DecodedCall::PresenceLastSeen(user) => run(backplane, reply(), move |b| async move {
            whole(json!(b.presence_last_seen(&user).await).to_string())
        }),
        DecodedCall::PresenceOfUser(user) => run(backplane, reply(), move |b| async move {
            present(b.presence_records(Place::User(&user)).await).await
        }),
        DecodedCall::PresenceOfRoom(room) => run(backplane, reply(), move |b| async move {
            present(b.presence_records(Place::Room(&room)).await).await
        }),
        DecodedCall::PresenceUsers(room) => run(backplane, reply(), move |b| async move {
            users(b.presence_users(&room).await).await
        }),
        DecodedCall::PresenceCount(room) => run(backplane, reply(), move |b| async move {
            whole(b.presence_count(&room).await.to_string())
        }),
        DecodedCall::PresenceWatch(room, receiver, tag) => {
            run(backplane, reply(), move |b| async move {
                Answer::Bool(b.presence_watch(receiver, &room, tag).await)
            })
        }
        DecodedCall::PresenceUnwatch(room) => run(backplane, reply(), move |b| async move {
            b.presence_unwatch(&room);
            Answer::Undefined
        }),
        DecodedCall::PresenceUnwatchAll => drop(tokio::spawn(async move {
            backplane.presence_unwatch_all();
        })),
        DecodedCall::Publish(channel, reach, payload) => {
            run(backplane, reply(), move |b| async move {
                whole(b.publish(reach, &channel, payload).await.to_string())
            })
        }
        DecodedCall::Receivers(reach, channels) => run(backplane, reply(), move |b| async move {
            whole(json!(b.receivers(reach, &split(&channels)).await).to_string())
        }),
        DecodedCall::Subscribe(name, subscriber, kind, tag) => {
            run(backplane, reply(), move |b| async move {
                Answer::Bool(b.subscribe(subscriber, kind, &name, tag).await)
            })
        }
        DecodedCall::Unsubscribe(name, subscriber, kind) => {
            run(backplane, reply(), move |b| async move {
                b.unsubscribe(subscriber, kind, &name).await;
                Answer::Undefined
            })
        }
        // In its turn, behind the calls of the subscriber that came before.
        DecodedCall::CloseSubscriber(subscriber) => drop(tokio::spawn(async move {
            backplane.close_subscriber(subscriber);
        })),
        DecodedCall::Initialize => run(backplane, reply(), move |b| async move {
            Answer::Bool(b.initialized().await)
        }),
        DecodedCall::Health => run(backplane, reply(), move |b| async move {
            health(&b.health().await)
        }),
        DecodedCall::Inspect => drop(tokio::spawn(async move {
            backplane.inspect_server().await;
        })),
        DecodedCall::Close => {
            let (_, reply) = reply();
            tokio::spawn(async move {
                backplane.close().await;
                reply.send(Answer::Undefined);
            });
        }
    }
}

/// A call that is answered when it is done.
fn run<F>(
    backplane: Arc<Backplane>,
    reply: (CallOrigin, Responder),
    call: impl FnOnce(Arc<Backplane>) -> F,
) where
    F: Future<Output = Answer> + Send + 'static,
{
    watch(backplane, reply, None, call);
}

/// A call that tells something: it is answered with `told` when its time is over before it is done, and goes on.
fn tell<F>(
    backplane: Arc<Backplane>,
    reply: (CallOrigin, Responder),
    told: fn() -> Answer,
    call: impl FnOnce(Arc<Backplane>) -> F,
) where
    F: Future<Output = Answer> + Send + 'static,
{
    watch(backplane, reply, Some(told), call);
}

fn watch<F>(
    backplane: Arc<Backplane>,
    (asked, reply): (CallOrigin, Responder),
    when_overdue: Option<fn() -> Answer>,
    call: impl FnOnce(Arc<Backplane>) -> F,
) where
    F: Future<Output = Answer> + Send + 'static,
{
    let call = call(backplane.clone());
    let pending = backplane.pending(asked.bytes + size_of_val(&call));
    let done = {
        move |answer: Answer, is_from_memory| {
            // Before the answer: whoever has it finds it counted.
            let calls = &backplane.call_stats;
            calls.ended(asked.kind, asked.at, answer.outcome(), is_from_memory);
            reply.send(answer);
        }
    };
    tokio::spawn(MeasuredCall::new(call, when_overdue, done, pending));
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
