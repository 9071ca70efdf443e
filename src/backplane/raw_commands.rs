//! Raw commands of the caller. Only they fail when Redis is unavailable, and they are never sent
//! twice.

use std::time::Instant;

use super::Backplane;
use crate::store::remote::Remote;
use crate::store::remote::deadline::patient;
use crate::store::{ServerReply, StoreError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// Redis is unavailable. If the connection was lost during the command, it may have taken
    /// effect.
    Unavailable,
    TimedOut,
    /// The command would make the shared connection unusable for the other calls.
    Unsupported(&'static str),
    /// The server's own message.
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
    "DEBUG",
    "FAILOVER",
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
    "SHUTDOWN",
    "SSUBSCRIBE",
    "SUBSCRIBE",
    "SUNSUBSCRIBE",
    "SYNC",
    "UNSUBSCRIBE",
    "UNWATCH",
    "WATCH",
];
/// Words that follow a command's name.
const STATEFUL_SUBCOMMANDS: &[(&str, &[&str])] = &[
    (
        "CLIENT",
        &[
            "CACHING",
            "CAPA",
            "IMPORT-SOURCE",
            "NO-EVICT",
            "NO-TOUCH",
            "REPLY",
            "SETINFO",
            "SETNAME",
            "TRACKING",
        ],
    ),
    ("SCRIPT", &["DEBUG"]),
];
const BLOCKING_SUBCOMMANDS: &[(&str, &[&str])] = &[("CLIENT", &["PAUSE"])];

impl<R: Remote> Backplane<R> {
    pub async fn call(&self, words: &[&[u8]]) -> Result<ServerReply, CallError> {
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
    let has_one_of = |table: &[(&str, &[&str])]| {
        let mut rows = table.iter();
        rows.any(|(name, list)| is_one_of(word(0), &[name]) && is_one_of(word(1), list))
    };
    if has_one_of(BLOCKING_SUBCOMMANDS) {
        return Some(BLOCKS);
    }
    let kills_itself = is_one_of(word(0), &["CLIENT"])
        && is_one_of(word(1), &["KILL"])
        && words.windows(2).any(|pair| {
            pair[0].eq_ignore_ascii_case(b"SKIPME") && pair[1].eq_ignore_ascii_case(b"NO")
        });
    let stateful = is_one_of(word(0), STATEFUL) || has_one_of(STATEFUL_SUBCOMMANDS) || kills_itself;
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
        for line in [
            "CLIENT reply OFF",
            "client setname x",
            "CLIENT NO-EVICT ON",
            "CLIENT KILL ID 3 skipme no",
            "SCRIPT DEBUG YES",
            "SHUTDOWN NOSAVE",
        ] {
            assert_eq!(verdict(line), Some(CHANGES_STATE), "{line}");
        }
        for line in ["CLIENT PAUSE 100", "DEBUG SLEEP 1", "failover"] {
            assert_eq!(verdict(line), Some(BLOCKS), "{line}");
        }
    }

    #[test]
    fn everything_else_is() {
        for line in [
            "GET k",
            "XREAD STREAMS s 0",
            "CLIENT LIST",
            "CLIENT KILL ID 3",
            "CLIENT GETNAME",
            "SCRIPT LOAD x",
            "CLIENT",
            "SET block multi",
        ] {
            assert_eq!(verdict(line), None);
        }
    }
}
