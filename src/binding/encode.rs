//! The outcomes of calls, in the form that JavaScript receives.

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::completion::{Answer, Begun};
use crate::backplane::{CallError, LockOutcome, Source};
use crate::io_thread::offload::offload;
use crate::store::presence::Present;
use crate::store::rate_limits::{Rule, Verdict};
use crate::store::{Fetched, Json, ServerReply};

/// Takes some milliseconds of JavaScript.
const PRESENT_AT_ONCE: usize = 1000;
const USERS_AT_ONCE: usize = 5000;
/// A longer text takes a while to check and to copy.
const LARGE_BYTES: usize = 1024 * 1024;
/// Enough for the answer to most checks of a limit.
const CHECKED_BYTES: usize = 144;

/// The facade rejects calls of a closed backplane by itself; this call was already in transit.
pub fn gone() -> Answer {
    Answer::Error {
        code: "E_CLOSED",
        message: "this backplane has been closed".into(),
    }
}

/// Something panicked.
pub fn broken() -> Answer {
    Answer::Error {
        code: "E_INTERNAL",
        message: "redis-backplane failed inside; this is a bug in it".into(),
    }
}

pub fn whole(text: impl Into<Bytes>) -> Answer {
    Answer::Json(text.into())
}

pub fn as_json(value: &impl Serialize) -> Answer {
    whole(serde_json::to_string(value).unwrap_or_default())
}

impl From<()> for Answer {
    fn from((): ()) -> Self {
        Self::Undefined
    }
}

impl From<bool> for Answer {
    fn from(it: bool) -> Self {
        Self::Bool(it)
    }
}

/// How many.
impl From<u64> for Answer {
    fn from(count: u64) -> Self {
        whole(count.to_string())
    }
}

/// The stored value, or none.
pub async fn found(text: Option<Json>) -> Answer {
    match text {
        None => Answer::Null,
        Some(text) if text.len() > LARGE_BYTES => {
            Box::pin(begun(move || Begun::from_text(&text))).await
        }
        Some(text) => whole(text),
    }
}

async fn begun(write: impl FnOnce() -> Option<Begun> + Send + 'static) -> Answer {
    match offload(write).await {
        Some(Some(begun)) => Answer::Begun(begun),
        // Not UTF-8, and therefore not JSON.
        Some(None) => Answer::Unreadable,
        None => broken(),
    }
}

pub fn fetched(fetched: Fetched) -> Answer {
    match fetched {
        Fetched::Fresh(value) => Answer::Fresh(value),
        Fetched::Stale(value, lease) => Answer::Stale(value, lease),
        Fetched::Absent(lease) => Answer::Absent(lease),
    }
}

/// In the form that `lib/rate-limits.js` passes on.
pub fn checked(rule: Rule, (verdict, source): (Verdict, Source)) -> Answer {
    let Verdict {
        allowed,
        count,
        remaining,
        reset_at_ms,
        retry_after_ms,
    } = verdict;
    let source = match source {
        Source::Redis => r#","source":"redis"}"#,
        Source::Memory => r#","source":"memory"}"#,
    };
    let numbers = [
        (r#","remaining":"#, remaining),
        (r#","resetAt":"#, reset_at_ms),
        (r#","count":"#, count),
        (r#","limit":"#, rule.limit),
        (r#","retryAfterMs":"#, retry_after_ms),
    ];
    // Written piece by piece: a format string takes three times as long, and this runs for every
    // request of a server.
    let mut json = String::with_capacity(CHECKED_BYTES);
    json.push_str(if allowed {
        r#"{"allowed":true"#
    } else {
        r#"{"allowed":false"#
    });
    for (name, number) in numbers {
        json.push_str(name);
        json.push_str(itoa::Buffer::new().format(number));
    }
    json.push_str(source);
    whole(json)
}

/// As `lib/locks.js` reads it.
pub fn locked(outcome: LockOutcome) -> Answer {
    match outcome {
        LockOutcome::Closed => gone(),
        LockOutcome::Granted { token, fence } => {
            whole(format!(r#"{{"token":"{token}","fence":{fence}}}"#))
        }
        LockOutcome::Denied => Answer::Null,
    }
}

/// Who keeps a lock by its name need not know more than that it has it.
pub fn locked_by_name(outcome: LockOutcome) -> Answer {
    match outcome {
        LockOutcome::Closed => gone(),
        outcome => Answer::Bool(matches!(outcome, LockOutcome::Granted { .. })),
    }
}

/// In the form that `lib/presence.js` reads: `[userId, socketId, lastSeen, metadata]` of each. Long
/// lists come in parts, with a zero byte after each but the last, so that JavaScript need not read
/// them at once.
pub async fn present(there: Vec<(Present, u64)>) -> Answer {
    if there.len() <= PRESENT_AT_ONCE {
        let records = there.iter().filter_map(|(one, _)| one.record.as_ref());
        let bytes: usize = records.map(|record| record.metadata.len()).sum();
        return match bytes > LARGE_BYTES {
            true => begun(move || Begun::from_text(rows(&there).as_bytes())).await,
            false => whole(rows(&there)),
        };
    }
    let write = move || {
        let parts: Vec<String> = there.chunks(PRESENT_AT_ONCE).map(rows).collect();
        parts.join("\0")
    };
    let written = offload(write).await;
    written.map_or_else(broken, |parts| Answer::Bytes(parts.into()))
}

/// Their ids, as a list.
pub async fn users(users: Vec<Box<str>>) -> Answer {
    let list = |users: Vec<Box<str>>| serde_json::to_string(&users).unwrap_or_default();
    if users.len() <= USERS_AT_ONCE {
        return whole(list(users));
    }
    begun(move || Begun::from_text(list(users).as_bytes())).await
}

fn rows(there: &[(Present, u64)]) -> String {
    let rows: Vec<String> = there
        .iter()
        .map(|(present, last_seen)| {
            let (user, socket) = (json!(present.user), json!(present.socket));
            let metadata = present.record.as_ref().map(|record| &record.metadata[..]);
            let metadata: Option<&RawValue> =
                metadata.and_then(|json| serde_json::from_slice(json).ok());
            let metadata = metadata.map_or("{}", RawValue::get);
            format!("[{user},{socket},{last_seen},{metadata}]")
        })
        .collect();
    format!("[{}]", rows.join(","))
}

pub async fn called(outcome: Result<ServerReply, CallError>) -> Answer {
    let (code, message) = match outcome {
        Ok(ServerReply::Small(json)) => return whole(json),
        Ok(ServerReply::Large(write)) => {
            let begun = offload(move || Begun::new(write)).await;
            return begun.map_or_else(broken, Answer::Begun);
        }
        Err(CallError::Unavailable) => ("E_UNAVAILABLE", "Redis is unavailable".into()),
        Err(CallError::TimedOut) => ("E_TIMEOUT", "Redis did not answer in time".into()),
        Err(CallError::Unsupported(why)) => ("E_UNSUPPORTED", format!("the command {why}")),
        Err(CallError::Server(text)) => ("E_REPLY", text),
    };
    Answer::Error { code, message }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_large_reply_is_written_while_others_have_the_thread() {
        let (tell, told) = mpsc::channel();
        let write = move |json: &mut Vec<u8>| {
            json.extend(told.recv_timeout(Duration::from_secs(30)).unwrap());
        };
        let large = called(Ok(ServerReply::Large(Box::new(write))));
        let other = async {
            tell.send(b"[1]").unwrap();
        };
        let (answer, ()) = tokio::join!(large, other);
        let Answer::Begun(begun) = answer else {
            panic!("another answer");
        };
        assert_eq!(begun.bytes(), "[[1]".len());
    }

    #[tokio::test]
    async fn one_that_cannot_be_written_is_answered_too() {
        let write = |_: &mut Vec<u8>| panic!("provoked by a test");
        let answer = called(Ok(ServerReply::Large(Box::new(write)))).await;
        let is_internal =
            |answer| matches!(answer, Answer::Error { code, .. } if code == "E_INTERNAL");
        assert!(is_internal(answer));
    }
}
