//! Commands of the caller's own, for the client handle.

use redis::Value;
use tokio::sync::Mutex;
use tokio::task::yield_now;

use super::{RedisStore, command};
use crate::store::types::Reply;
use crate::store::{RawCommands, Result};

/// Commands whose answer is nested as deep as the caller's script says. redis-rs reads no deeper than 100, and the
/// connection ends with such an answer.
const SCRIPTS: &[&str] = &[
    "EVAL",
    "EVALSHA",
    "EVALSHA_RO",
    "EVAL_RO",
    "FCALL",
    "FCALL_RO",
];

/// Held by a script until it is answered: no command that comes before or after it is lost with its connection.
#[derive(Default)]
pub struct Scripts(Mutex<()>);

impl RawCommands for RedisStore {
    async fn call(&self, words: &[&[u8]]) -> Result<Reply> {
        let turn = self.scripts.0.lock().await;
        let is_script = words.first().is_some_and(|name| {
            let mut scripts = SCRIPTS.iter();
            scripts.any(|script| name.eq_ignore_ascii_case(script.as_bytes()))
        });
        let _until_answered = is_script.then_some(turn);
        if is_script {
            // What came before leaves in a pipeline of its own, and so is answered by itself.
            yield_now().await;
        }
        self.link.bulk_if_allowed(command(words)).await.map(reply)
    }
}

fn reply(value: Value) -> Reply {
    match value {
        Value::Nil => Reply::Nil,
        Value::Int(number) => Reply::Int(number),
        Value::Double(number) => Reply::Double(number),
        Value::Boolean(truth) => Reply::Int(i64::from(truth)),
        Value::BulkString(bytes) | Value::BigNumber(bytes) => Reply::Text(bytes.into()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Reply::Text(text.into()),
        Value::Okay => Reply::Text("OK".into()),
        Value::Array(items) | Value::Set(items) | Value::Push { data: items, .. } => {
            Reply::Array(items.into_iter().map(reply).collect())
        }
        Value::Map(pairs) => Reply::Array(
            pairs
                .into_iter()
                .flat_map(|(k, v)| [reply(k), reply(v)])
                .collect(),
        ),
        Value::Attribute { data, .. } => reply(*data),
        Value::ServerError(error) => {
            let details = error.details().unwrap_or_default();
            Reply::Error(format!("{} {details}", error.code()).trim_end().to_owned())
        }
        other => Reply::Text(format!("{other:?}").into()),
    }
}
