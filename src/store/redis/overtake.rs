//! The order of raw commands. They are sent on the lane for long work, in the order of the calls. A
//! small command about one key does not wait there for a large one: it is sent on the lane for
//! calls, unless a command about its key, or one that may touch any key, has no answer yet.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::sync::{Mutex, MutexGuard, Notify};

use crate::mutex::{Mutex as SyncMutex, MutexGuard as SyncGuard};

/// The keys that a command may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandScope {
    Nothing,
    /// Its hash: two keys with the same hash are kept in order unnecessarily.
    Key(u64),
    Anything,
}

/// The maximum size of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerSize {
    Small,
    /// The length of a string, which the server can tell.
    String,
    Unknown,
}

/// Commands about only their first argument, with small answers.
const SMALL: &[&str] = &[
    "APPEND",
    "BITCOUNT",
    "DECR",
    "DECRBY",
    "EXPIRE",
    "EXPIREAT",
    "GETBIT",
    "HDEL",
    "HEXISTS",
    "HINCRBY",
    "HINCRBYFLOAT",
    "HLEN",
    "HMSET",
    "HSET",
    "HSETNX",
    "HSTRLEN",
    "INCR",
    "INCRBY",
    "INCRBYFLOAT",
    "LLEN",
    "LPUSH",
    "LREM",
    "LSET",
    "LTRIM",
    "PERSIST",
    "PEXPIRE",
    "PEXPIREAT",
    "PFADD",
    "PSETEX",
    "PTTL",
    "RPUSH",
    "SADD",
    "SCARD",
    "SETBIT",
    "SETEX",
    "SETNX",
    "SETRANGE",
    "SISMEMBER",
    "SREM",
    "STRLEN",
    "TTL",
    "TYPE",
    "ZADD",
    "ZCARD",
    "ZINCRBY",
    "ZRANK",
    "ZREM",
    "ZREVRANK",
    "ZSCORE",
];
/// The same, if they have no further arguments.
const SMALL_ALONE: &[&str] = &["DEL", "EXISTS", "UNLINK"];
/// Commands about only their first argument, whose answers may be large.
const OF_ONE_KEY: &[&str] = &[
    "DUMP",
    "GETDEL",
    "GETEX",
    "GETRANGE",
    "GETSET",
    "HGET",
    "HGETALL",
    "HKEYS",
    "HMGET",
    "HSCAN",
    "HVALS",
    "LINDEX",
    "LPOP",
    "LRANGE",
    "RPOP",
    "SMEMBERS",
    "SPOP",
    "SRANDMEMBER",
    "SSCAN",
    "XADD",
    "XLEN",
    "XRANGE",
    "XREVRANGE",
    "ZRANGE",
    "ZRANGEBYSCORE",
    "ZREVRANGE",
    "ZREVRANGEBYSCORE",
    "ZSCAN",
];

/// The keys of a command, and the maximum size of its answer.
pub fn judge(words: &[&[u8]]) -> (CommandScope, AnswerSize) {
    let [name, arguments @ ..] = words else {
        return (CommandScope::Anything, AnswerSize::Unknown);
    };
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    let is_one_of = |names: &[&str]| names.iter().any(|other| is(other));
    let Some(key) = arguments.first().map(|key| CommandScope::Key(hash(key))) else {
        return match is("PING") {
            true => (CommandScope::Nothing, AnswerSize::Small),
            false => (CommandScope::Anything, AnswerSize::Unknown),
        };
    };
    if is("GET") {
        return (key, AnswerSize::String);
    }
    if is("SET") {
        let mut options = arguments.iter().skip(2);
        let tells_old = options.any(|option| option.eq_ignore_ascii_case(b"GET"));
        return (
            key,
            if tells_old {
                AnswerSize::Unknown
            } else {
                AnswerSize::Small
            },
        );
    }
    if is_one_of(SMALL) || arguments.len() == 1 && is_one_of(SMALL_ALONE) {
        return (key, AnswerSize::Small);
    }
    match is_one_of(OF_ONE_KEY) {
        true => (key, AnswerSize::Unknown),
        false => (CommandScope::Anything, AnswerSize::Unknown),
    }
}

fn hash(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

#[derive(Default)]
pub struct Overtaking {
    turns: Mutex<()>,
    under_way: SyncMutex<UnderWay>,
    passed: Notify,
}

#[derive(Default)]
struct UnderWay {
    /// On the lane for long work, not yet answered: about one key each, or about any key.
    keys: HashMap<u64, u32>,
    anything: u32,
    /// On the lane for calls.
    passing: HashMap<u64, u32>,
    passing_all: u32,
}

/// A command without an answer.
pub struct CommandPlace<'a> {
    order: &'a Overtaking,
    scope: CommandScope,
    is_passing: bool,
}

impl Overtaking {
    /// Commands are sent one after the other.
    pub async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turns.lock().await
    }

    /// For the holder of the turn: a place ahead of the commands in flight, if that breaks no
    /// order.
    pub fn pass(&self, scope: CommandScope) -> Option<CommandPlace<'_>> {
        let mut under_way = self.lock();
        let is_free = match scope {
            CommandScope::Nothing => true,
            CommandScope::Key(key) => {
                let is_named =
                    under_way.keys.contains_key(&key) || under_way.passing.contains_key(&key);
                under_way.anything == 0 && !is_named
            }
            CommandScope::Anything => false,
        };
        if !is_free {
            return None;
        }
        if let CommandScope::Key(key) = scope {
            *under_way.passing.entry(key).or_default() += 1;
        }
        under_way.passing_all += 1;
        Some(self.place(scope, true))
    }

    /// For the holder of the turn: a place behind all commands in flight.
    pub async fn follow(&self, scope: CommandScope) -> CommandPlace<'_> {
        while self.lock().passing_all > 0 {
            self.passed.notified().await;
        }
        self.fall_in(scope)
    }

    /// A place among the commands on the lane for long work.
    pub fn fall_in(&self, scope: CommandScope) -> CommandPlace<'_> {
        let mut under_way = self.lock();
        match scope {
            CommandScope::Nothing => {}
            CommandScope::Key(key) => *under_way.keys.entry(key).or_default() += 1,
            CommandScope::Anything => under_way.anything += 1,
        }
        self.place(scope, false)
    }

    fn place(&self, scope: CommandScope, is_passing: bool) -> CommandPlace<'_> {
        CommandPlace {
            order: self,
            scope,
            is_passing,
        }
    }

    fn lock(&self) -> SyncGuard<'_, UnderWay> {
        self.under_way.lock()
    }
}

impl CommandPlace<'_> {
    pub fn scope(&self) -> CommandScope {
        self.scope
    }
}

impl Drop for CommandPlace<'_> {
    fn drop(&mut self) {
        let mut under_way = self.order.lock();
        if self.is_passing {
            under_way.passing_all -= 1;
            if under_way.passing_all == 0 {
                self.order.passed.notify_one();
            }
        }
        match self.scope {
            CommandScope::Nothing => {}
            CommandScope::Key(key) => {
                let keys = match self.is_passing {
                    true => &mut under_way.passing,
                    false => &mut under_way.keys,
                };
                if let Some(count) = keys.get_mut(&key) {
                    *count -= 1;
                    if *count == 0 {
                        keys.remove(&key);
                    }
                }
            }
            CommandScope::Anything => under_way.anything -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(line: &str) -> (CommandScope, AnswerSize) {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        judge(&words)
    }

    #[test]
    fn knows_what_commands_are_about() {
        let key = CommandScope::Key(hash(b"k"));
        for (line, judgement) in [
            ("get k", (key, AnswerSize::String)),
            ("SET k v EX 10", (key, AnswerSize::Small)),
            ("SET k get", (key, AnswerSize::Small)),
            ("SET k v get", (key, AnswerSize::Unknown)),
            ("DEL k", (key, AnswerSize::Small)),
            ("DEL k l", (CommandScope::Anything, AnswerSize::Unknown)),
            ("LRANGE k 0 -1", (key, AnswerSize::Unknown)),
            ("ping", (CommandScope::Nothing, AnswerSize::Small)),
            ("EVAL k 0", (CommandScope::Anything, AnswerSize::Unknown)),
            ("FLUSHDB", (CommandScope::Anything, AnswerSize::Unknown)),
        ] {
            assert_eq!(judged(line), judgement, "{line}");
        }
    }

    #[tokio::test]
    async fn nobody_overtakes_its_key_or_what_may_touch_it() {
        let order = Overtaking::default();
        let [a, b] = ["GET a", "GET b"].map(|line| judged(line).0);
        let large = order.follow(a).await;
        assert!(order.pass(a).is_none() && order.pass(CommandScope::Anything).is_none());
        assert!(order.pass(b).is_some() && order.pass(CommandScope::Nothing).is_some());
        let script = order.follow(CommandScope::Anything).await;
        assert!(order.pass(b).is_none() && order.pass(CommandScope::Nothing).is_some());
        drop((large, script));
        assert!(order.pass(a).is_some());
    }

    #[tokio::test]
    async fn what_comes_later_waits_for_those_that_pass() {
        let order = Overtaking::default();
        let a = judged("GET a").0;
        let (first, second) = (order.pass(a), order.pass(CommandScope::Nothing));
        assert!(order.pass(a).is_none());
        let mut later = std::pin::pin!(order.follow(a));
        let mut is_there = async || {
            let later = std::future::poll_fn(|context| {
                std::task::Poll::Ready(later.as_mut().poll(context).is_ready())
            });
            later.await
        };
        assert!(!is_there().await);
        drop(first);
        assert!(!is_there().await);
        drop(second);
        assert!(is_there().await);
    }
}
