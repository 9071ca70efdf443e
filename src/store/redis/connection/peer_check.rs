//! What kind of server is at an address, and whether it answers what it is asked. Determined when a
//! connection is made, and repeatedly while it lasts.
//!
//! A server reports by itself what it is (`HELLO`, from Redis 6 on), or is asked for it in parts
//! (`ROLE`, `INFO`). An access rule may forbid all of that; then less is known.

use std::sync::atomic::{AtomicU64, Ordering};

use redis::{Cmd, Value};

use super::open::command;
use crate::store::redis::reply;
use crate::store::types::ServerFacts;
use crate::store::{Result, StoreError};

/// Why a connection must not be used, or not any longer. For humans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit(pub &'static str);

/// It gives an answer that no Redis server would give.
pub const NOT_REDIS: Unfit = Unfit("this is not a Redis server");
/// An answer belonged to another question than the one that was asked.
pub const OUT_OF_STEP: Unfit = Unfit("answers do not belong to what was asked");

/// Alternative questions, the better ones first.
const WHAT: [&[&str]; 3] = [&["HELLO", "2"], &["ROLE"], &["INFO", "replication"]];
const ECHO: [&str; 2] = ["PING", "ECHO"];
const RIDDLE_BYTES: usize = 16;

impl ServerFacts {
    /// Why this server cannot be used.
    pub fn objection(&self) -> Option<Unfit> {
        let is = |fact: &Option<String>, words: &[&str]| {
            fact.as_deref().is_some_and(|fact| words.contains(&fact))
        };
        if is(&self.mode, &["sentinel"]) || is(&self.role, &["sentinel"]) {
            return Some(Unfit("this is a sentinel, not the server that it watches"));
        }
        if is(&self.mode, &["cluster"]) {
            return Some(Unfit(
                "this is a node of a cluster, which is not supported yet",
            ));
        }
        // In the words of HELLO, and of older commands.
        let is_replica = is(&self.role, &["replica", "slave"]);
        is_replica.then_some(Unfit("READONLY: this is a replica of another server"))
    }

    /// Learns from the answer to one of the questions. Returns whether it was an answer to that.
    fn learn(&mut self, answer: &Value) -> bool {
        match answer {
            Value::Array(words) if text(words.first()) == Some("server") => {
                for pair in words.chunks_exact(2) {
                    self.set(text(Some(&pair[0])), text(Some(&pair[1])));
                }
                true
            }
            Value::Array(words) => match text(words.first()) {
                role @ Some("master" | "slave" | "sentinel" | "active-replica") => {
                    self.set(Some("role"), role);
                    true
                }
                _ => false,
            },
            info => {
                let info = text(Some(info)).unwrap_or_default();
                let pairs = info.lines().filter_map(|line| line.split_once(':'));
                pairs.for_each(|(name, fact)| self.set(Some(name), Some(fact.trim())));
                info.starts_with('#')
            }
        }
    }

    fn set(&mut self, name: Option<&str>, fact: Option<&str>) {
        let place = match name {
            Some("server" | "server_name") => &mut self.name,
            Some("version" | "redis_version" | "valkey_version") => &mut self.version,
            Some("mode" | "redis_mode" | "server_mode") => &mut self.mode,
            Some("role") => &mut self.role,
            _ => return,
        };
        if let Some(fact) = fact {
            *place = Some(fact.to_owned());
        }
    }
}

fn text(value: Option<&Value>) -> Option<&str> {
    match value? {
        Value::BulkString(bytes) => str::from_utf8(bytes).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

/// The questions that a connection may ask, in the form that the server knows. Both are determined
/// at the first exchange.
#[derive(Debug, Default)]
pub struct Questions {
    /// Which of [`ECHO`]; `None`: neither, or it has not been tried.
    echo: Option<usize>,
    /// Which of [`WHAT`].
    what: Option<usize>,
    asked: AtomicU64,
}

/// A random value that only the receiver of the question can return.
pub struct Riddle(String);

impl Riddle {
    fn ask(&self, which: usize) -> Cmd {
        let mut ask = Cmd::with_capacity(2, RIDDLE_BYTES + 4);
        ask.arg(ECHO[which]).arg(&self.0);
        ask
    }

    pub fn is_answered_by(&self, answer: &Value) -> bool {
        text(Some(answer)) == Some(&self.0)
    }

    /// The consequence of the answer.
    pub fn judge(&self, answer: Result<Value>) -> Option<Unfit> {
        match answer {
            Ok(answer) if self.is_answered_by(&answer) => None,
            Err(error) => judge_error(&error),
            Ok(_) => Some(OUT_OF_STEP),
        }
    }
}

impl Questions {
    pub fn new() -> Self {
        Self {
            // So that no two connections ask the same.
            asked: AtomicU64::new(fastrand::u64(..)),
            ..Self::default()
        }
    }

    /// The first questions to a server; for most servers, the same are asked later.
    pub fn first(&self) -> (Vec<Cmd>, Riddle) {
        let riddle = self.next();
        (vec![riddle.ask(0), command(WHAT[0])], riddle)
    }

    /// The questions to a server that did not know the first ones.
    pub fn second(&self) -> (Vec<Cmd>, Riddle) {
        let riddle = self.next();
        let info = command(&["INFO", "server"]);
        (
            vec![riddle.ask(1), command(WHAT[1]), command(WHAT[2]), info],
            riddle,
        )
    }

    /// `Ok`: everything is known that can be known.
    pub fn hear(
        &mut self,
        facts: &mut ServerFacts,
        which: usize,
        riddle: &Riddle,
        answers: &[Value],
    ) -> std::result::Result<(), Unfit> {
        let Some((echo, whats)) = answers.split_first() else {
            return Err(NOT_REDIS);
        };
        match echo {
            echo if riddle.is_answered_by(echo) => self.echo = self.echo.or(Some(which)),
            // An intermediate system answers this with a message of its own.
            Value::SimpleString(text) if text == "PONG" => {}
            Value::ServerError(_) => {}
            _ => return Err(NOT_REDIS),
        }
        for (i, answer) in whats.iter().enumerate() {
            match answer {
                Value::ServerError(_) => {}
                answer if facts.learn(answer) => {
                    let which = which + i;
                    if which < WHAT.len() {
                        self.what = self.what.or(Some(which));
                    }
                }
                _ => return Err(NOT_REDIS),
            }
        }
        Ok(())
    }

    pub fn are_known(&self) -> bool {
        self.echo.is_some() && self.what.is_some()
    }

    fn next(&self) -> Riddle {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        Riddle(format!("{number:0RIDDLE_BYTES$x}"))
    }

    /// A riddle for this server, and how it is asked; `None`: it answers none.
    pub fn riddle(&self) -> Option<(Riddle, Cmd)> {
        let riddle = self.next();
        let ask = riddle.ask(self.echo?);
        Some((riddle, ask))
    }

    /// Asks what the server is now; `None`: it does not tell.
    pub fn what(&self) -> Option<Cmd> {
        Some(command(WHAT[self.what?]))
    }
}

/// The consequence of the answer to [`Questions::what`].
pub fn judge(answer: Result<Value>) -> Option<Unfit> {
    let mut facts = ServerFacts::default();
    match answer {
        Ok(answer) if facts.learn(&answer) => facts.objection(),
        Err(error) => judge_error(&error),
        Ok(_) => Some(OUT_OF_STEP),
    }
}

fn judge_error(error: &StoreError) -> Option<Unfit> {
    match error {
        // An access rule has changed.
        StoreError::Rejected(text) if reply::forbidden(text).is_some() => None,
        StoreError::Rejected(_) => Some(OUT_OF_STEP),
        // The lane has reported it.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use redis::parse_redis_value;

    use super::*;

    fn facts(answers: &[&str]) -> ServerFacts {
        let mut facts = ServerFacts::default();
        for answer in answers {
            let answer = parse_redis_value(answer.as_bytes()).unwrap();
            assert!(facts.learn(&answer), "{answer:?}");
        }
        facts
    }

    fn array(words: &[&str]) -> String {
        let words = words.iter().map(|word| bulk(word));
        format!("*{}\r\n{}", words.len(), words.collect::<String>())
    }

    fn bulk(text: &str) -> String {
        format!("${}\r\n{text}\r\n", text.len())
    }

    fn hello(mode: &str, role: &str) -> String {
        let facts = [
            "server", "redis", "version", "7.0.15", "mode", mode, "role", role,
        ];
        array(&facts)
    }

    #[test]
    fn a_server_is_what_it_says() {
        let primary = facts(&[&hello("standalone", "master")]);
        assert_eq!(primary.version.as_deref(), Some("7.0.15"));
        assert_eq!(primary.objection(), None);
        for (mode, role) in [
            ("standalone", "replica"),
            ("cluster", "master"),
            ("cluster", "replica"),
        ] {
            assert!(
                facts(&[&hello(mode, role)]).objection().is_some(),
                "{mode} {role}"
            );
        }
        let sentinel = array(&["server", "redis", "version", "6.2.14", "mode", "sentinel"]);
        assert!(facts(&[&sentinel]).objection().is_some());
    }

    #[test]
    fn an_older_one_says_it_in_parts() {
        let info = bulk("# Server\r\nredis_version:5.0.14\r\nredis_mode:standalone\r\n");
        let primary = facts(&[&array(&["master", "0"]), &info]);
        assert_eq!(primary.objection(), None);
        assert_eq!(primary.version.as_deref(), Some("5.0.14"));
        assert!(
            facts(&[&array(&["slave", "127.0.0.1"])])
                .objection()
                .is_some()
        );
        assert!(facts(&[&array(&["sentinel"])]).objection().is_some());
        let replication = bulk("# Replication\r\nrole:slave\r\nmaster_host:x\r\n");
        assert!(facts(&[&replication]).objection().is_some());
        let valkey = bulk(
            "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.8\r\n",
        );
        let valkey = facts(&[&valkey]);
        assert_eq!(valkey.name.as_deref(), Some("valkey"));
        assert_eq!(valkey.version.as_deref(), Some("8.1.8"));
    }

    #[test]
    fn what_says_less_is_taken_as_it_is() {
        assert_eq!(ServerFacts::default().objection(), None);
        let refused = "NOPERM this user has no permissions to run the 'role' command".to_owned();
        assert_eq!(judge(Err(StoreError::Rejected(refused))), None);
    }

    #[test]
    fn an_answer_to_another_question_is_found_out() {
        for answer in ["+OK\r\n", "$-1\r\n", ":1\r\n", "*0\r\n", "$2\r\n{}\r\n"] {
            let answer = parse_redis_value(answer.as_bytes()).unwrap();
            assert_eq!(judge(Ok(answer.clone())), Some(OUT_OF_STEP), "{answer:?}");
            let riddle = Questions::new().next();
            assert_eq!(
                riddle.judge(Ok(answer.clone())),
                Some(OUT_OF_STEP),
                "{answer:?}"
            );
        }
        let other = StoreError::Rejected("WRONGTYPE Operation against a key".into());
        assert_eq!(judge(Err(other)), Some(OUT_OF_STEP));
    }
}
