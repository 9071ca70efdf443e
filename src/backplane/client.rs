//! Commands of the caller's own. They alone fail when Redis is away, and are never sent twice.

use std::time::Instant;

use super::Backplane;
use crate::store::remote::connection::patience::patient;
use crate::store::{RawCommands, Reply, StoreError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// Redis is away. When the connection broke under the command, it may have taken effect.
    Unavailable,
    TimedOut,
    /// The command would take the shared connection away from the other calls.
    Unsupported(&'static str),
    /// The server's own words.
    Server(String),
}

const BLOCKS: &str = "would block the shared connection";
const CHANGES_STATE: &str = "would change the state of the shared connection";
const BLOCKING: &[&str] = &[
    "BLMOVE",
    "BLMPOP",
    "BLPOP",
    "BRPOP",
    "BRPOPLPUSH",
    "BZMPOP",
    "BZPOPMAX",
    "BZPOPMIN",
    "WAIT",
    "WAITAOF",
];
const STATEFUL: &[&str] = &[
    "ASKING",
    "AUTH",
    "DISCARD",
    "EXEC",
    "HELLO",
    "MONITOR",
    "MULTI",
    "PSUBSCRIBE",
    "PSYNC",
    "PUNSUBSCRIBE",
    "QUIT",
    "READONLY",
    "READWRITE",
    "REPLCONF",
    "RESET",
    "SELECT",
    "SSUBSCRIBE",
    "SUBSCRIBE",
    "SUNSUBSCRIBE",
    "SYNC",
    "UNSUBSCRIBE",
    "UNWATCH",
    "WATCH",
];
const STATEFUL_CLIENT: &[&str] = &["CACHING", "REPLY", "TRACKING"];

impl Backplane {
    pub async fn call(&self, words: &[&[u8]]) -> Result<Reply, CallError> {
        if let Some(why) = unsupported(words) {
            return Err(CallError::Unsupported(why));
        }
        let wait = self.wait(Instant::now());
        let store = self.store_within(&wait).await;
        let store = store.ok_or(CallError::Unavailable)?;
        let deadline = self.options.endpoint.command_timeout;
        let answered = patient(wait.answer_by().into(), deadline, store.call(words)).await;
        answered.map_err(|error| match error {
            StoreError::Lost | StoreError::Refused(_) => CallError::Unavailable,
            StoreError::TimedOut => CallError::TimedOut,
            StoreError::Rejected(text) => CallError::Server(text),
        })
    }
}

fn unsupported(words: &[&[u8]]) -> Option<&'static str> {
    let word = |i: usize| words.get(i).map(|word| word.to_ascii_uppercase());
    let is_one_of = |word: Option<Vec<u8>>, list: &[&str]| {
        word.is_some_and(|word| list.iter().any(|name| name.as_bytes() == word))
    };
    if is_one_of(word(0), BLOCKING) {
        return Some(BLOCKS);
    }
    if is_one_of(word(0), &["XREAD", "XREADGROUP"]) {
        let blocks = words.iter().any(|word| word.eq_ignore_ascii_case(b"BLOCK"));
        return blocks.then_some(BLOCKS);
    }
    let stateful = is_one_of(word(0), STATEFUL)
        || is_one_of(word(0), &["CLIENT"]) && is_one_of(word(1), STATEFUL_CLIENT);
    stateful.then_some(CHANGES_STATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(line: &str) -> Option<&'static str> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        unsupported(&words)
    }

    #[test]
    fn what_would_harm_the_other_calls_is_not_sent() {
        assert_eq!(verdict("blpop list 0"), Some(BLOCKS));
        assert_eq!(verdict("XREAD block 0 STREAMS s $"), Some(BLOCKS));
        assert_eq!(verdict("multi"), Some(CHANGES_STATE));
        assert_eq!(verdict("CLIENT reply OFF"), Some(CHANGES_STATE));
    }

    #[test]
    fn everything_else_is() {
        for line in [
            "GET k",
            "XREAD STREAMS s 0",
            "CLIENT LIST",
            "SET block multi",
        ] {
            assert_eq!(verdict(line), None);
        }
    }
}
