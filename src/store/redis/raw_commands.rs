//! Raw commands of the caller, for the client handle; their answers become JSON here.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use redis::Value;
use serde::Serialize;
use tokio::task::yield_now;

use super::overtake::{self, AnswerSize, CommandPlace};
use super::{RedisStore, command};
use crate::store::{RawCommands, Result, ServerReply, StoreError};

/// Commands whose answer is nested as deep as the caller's script decides. redis-rs reads no deeper
/// than 100, and the connection ends with such an answer.
const SCRIPTS: &[&str] = &[
    "EVAL",
    "EVALSHA",
    "EVALSHA_RO",
    "EVAL_RO",
    "FCALL",
    "FCALL_RO",
];

/// A command up to this size whose answer is no larger may use the lane for calls.
const SMALL_BYTES: usize = 1024;

impl RawCommands for RedisStore {
    async fn call(&self, words: &[&[u8]]) -> Result<ServerReply> {
        let turn = self.raw.turn().await;
        let bytes = words.iter().map(|word| word.len()).sum();
        let (scope, answer) = overtake::judge(words);
        let may_pass = answer != AnswerSize::Unknown && bytes <= SMALL_BYTES;
        if may_pass
            && self.link.bulk_is_loaded()
            && let Some(place) = self.raw.pass(scope)
        {
            drop(turn);
            return Box::pin(self.call_in_passing(words, answer, place)).await;
        }
        // A script holds its turn until it is answered: no command before or after it is lost with its
        // connection.
        let is_script = words.first().is_some_and(|name| {
            let mut scripts = SCRIPTS.iter();
            scripts.any(|script| name.eq_ignore_ascii_case(script.as_bytes()))
        });
        let _place = self.raw.follow(scope).await;
        let _until_answered = is_script.then_some(turn);
        if is_script {
            // Earlier commands are sent in a separate pipeline, and so are answered separately.
            yield_now().await;
        }
        let answered = self.link.bulk_if_allowed(bytes, command(words));
        answered.await.map(reply)
    }
}

impl RedisStore {
    async fn call_in_passing(
        &self,
        words: &[&[u8]],
        answer: AnswerSize,
        place: CommandPlace<'_>,
    ) -> Result<ServerReply> {
        if answer == AnswerSize::String && !self.is_small(words[1]).await {
            // As if it had been sent before everything that waits for it.
            let _place = self.raw.fall_in(place.scope());
            let mut answered = pin!(self.link.bulk_if_allowed(0, command(words)));
            let first = poll_fn(|context| Poll::Ready(answered.as_mut().poll(context))).await;
            drop(place);
            return match first {
                Poll::Ready(answer) => answer.map(reply),
                Poll::Pending => answered.await.map(reply),
            };
        }
        self.link
            .calls
            .query_if_allowed(0, command(words))
            .await
            .map(reply)
    }

    /// Whether a string fits on the lane for calls; for another type the answer is a short error.
    async fn is_small(&self, key: &[u8]) -> bool {
        let length = self
            .link
            .calls
            .query_if_allowed(0, command(&[b"STRLEN", key]));
        match length.await {
            Ok(Value::Int(length)) => length as usize <= self.link.calls.read_room(),
            Err(StoreError::Rejected(text)) => text.starts_with("WRONGTYPE"),
            _ => false,
        }
    }
}

/// An answer larger than this takes milliseconds to write.
const LARGE_BYTES: usize = 256 * 1024;
/// The cost of writing one item, in bytes of a text.
const ITEM_BYTES: usize = 32;

fn reply(value: Value) -> ServerReply {
    if fits(&value, LARGE_BYTES).is_some() {
        let mut json = Vec::new();
        write(&mut json, &value);
        return ServerReply::Small(json.into());
    }
    ServerReply::Large(Box::new(move |json| write(json, &value)))
}

/// How much room is left beside the value; `None`: there is not enough of it.
fn fits(value: &Value, room: usize) -> Option<usize> {
    let room = room.checked_sub(ITEM_BYTES)?;
    let all = |items: &[Value]| {
        let mut items = items.iter();
        items.try_fold(room, |room, item| fits(item, room))
    };
    match value {
        Value::BulkString(bytes) => room.checked_sub(bytes.len()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => {
            room.checked_sub(text.len())
        }
        Value::Array(items) | Value::Set(items) | Value::Push { data: items, .. } => all(items),
        Value::Map(pairs) => pairs
            .iter()
            .flat_map(|(key, value)| [key, value])
            .try_fold(room, |room, item| fits(item, room)),
        Value::Attribute { data, .. } => fits(data, room),
        _ => Some(room),
    }
}

/// Written piece by piece: a tree in between takes as long again.
fn write(json: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Nil => json.extend(b"null"),
        Value::Int(number) => write_plain(json, number),
        Value::Double(number) => write_plain(json, number),
        Value::Boolean(truth) => write_plain(json, &i64::from(*truth)),
        Value::BulkString(bytes) | Value::BigNumber(bytes) => {
            json.reserve(bytes.len() + 2);
            write_plain(json, &String::from_utf8_lossy(bytes));
        }
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => write_plain(json, text),
        Value::Okay => write_plain(json, "OK"),
        Value::Array(items) | Value::Set(items) | Value::Push { data: items, .. } => {
            write_array(json, items);
        }
        Value::Map(pairs) => {
            write_array(json, pairs.iter().flat_map(|(key, value)| [key, value]));
        }
        Value::Attribute { data, .. } => write(json, data),
        Value::ServerError(error) => {
            let details = error.details().unwrap_or_default();
            write_plain(json, format!("{} {details}", error.code()).trim_end());
        }
        other => write_plain(json, &format!("{other:?}")),
    }
}

fn write_array<'a>(json: &mut Vec<u8>, items: impl IntoIterator<Item = &'a Value>) {
    json.push(b'[');
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            json.push(b',');
        }
        write(json, item);
    }
    json.push(b']');
}

fn write_plain(json: &mut Vec<u8>, plain: &(impl Serialize + ?Sized)) {
    // Writing to memory never fails.
    let _ = serde_json::to_writer(json, plain);
}

#[cfg(test)]
mod tests {
    use redis::parse_redis_value;

    use super::*;

    fn text(answer: &[u8]) -> String {
        match reply(parse_redis_value(answer).unwrap()) {
            ServerReply::Small(json) => String::from_utf8(json.into()).unwrap(),
            ServerReply::Large(_) => panic!("small answers need no thread"),
        }
    }

    #[test]
    fn every_kind_of_answer_is_json() {
        for (answer, json) in [
            (&b"$-1\r\n"[..], "null"),
            (b"_\r\n", "null"),
            (b":-7\r\n", "-7"),
            (b",1.5\r\n", "1.5"),
            (b",inf\r\n", "null"),
            (b"#t\r\n", "1"),
            (
                b"(12345678901234567890123\r\n",
                r#""12345678901234567890123""#,
            ),
            (b"+OK\r\n", r#""OK""#),
            (b"+QUEUED\r\n", r#""QUEUED""#),
            (
                b"$7\r\n\"\\\n\xc3\xa9\0\xff\r\n",
                "\"\\\"\\\\\\né\\u0000\u{fffd}\"",
            ),
            (b"=8\r\ntxt:text\r\n", r#""text""#),
            (b"-OWN error\r\n", r#""OWN error""#),
            (b"-OWN\r\n", r#""OWN""#),
            (b"*0\r\n", "[]"),
            (
                b"*3\r\n:1\r\n*1\r\n$1\r\na\r\n-ERR in it\r\n",
                r#"[1,["a"],"ERR in it"]"#,
            ),
            (b"~2\r\n:1\r\n:2\r\n", "[1,2]"),
            (b"%2\r\n+a\r\n:1\r\n+b\r\n*0\r\n", r#"["a",1,"b",[]]"#),
            (b"|1\r\n+a\r\n:1\r\n:2\r\n", "2"),
        ] {
            assert_eq!(text(answer), json);
        }
    }

    #[test]
    fn what_is_long_or_many_is_large_however_it_is_nested() {
        let many = || Value::Array(vec![Value::Int(1); LARGE_BYTES / ITEM_BYTES]);
        let long = || Value::BulkString(vec![b'x'; LARGE_BYTES]);
        let half = || Value::BulkString(vec![b'x'; LARGE_BYTES / 2]);
        for value in [
            many(),
            long(),
            Value::Array(vec![Value::Nil, Value::Array(vec![long()])]),
            Value::Set(vec![half(), half()]),
            Value::Map(vec![(half(), half())]),
            Value::Attribute {
                data: Box::new(many()),
                attributes: Vec::new(),
            },
        ] {
            let mut expected = b"[".to_vec();
            write(&mut expected, &value);
            let ServerReply::Large(write) = reply(value) else {
                panic!("a large answer that the I/O thread writes");
            };
            let mut written = b"[".to_vec();
            write(&mut written);
            assert!(written == expected);
        }
        assert!(matches!(reply(half()), ServerReply::Small(_)));
    }
}
