//! Deletes by pattern, in bounded steps: one SCAN, then the keys that it found, each in a command
//! of its own so that it works on a cluster. Runs beside the calls, on the lane for long work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join;
use redis::Value;
use tokio::time::timeout;

use super::command;
use super::connection::lane::Lane;
use super::connection::link::Link;
use crate::store::glob::{escape, matches_in};
use crate::store::{Key, Pattern, Result, StoreError};

/// Slots that the server looks at in one step: well below a millisecond of its time.
const SCAN_COUNT: &[u8] = b"1024";
/// A scan that has not ended by then never will.
const LONGEST_SCAN: Duration = Duration::from_secs(600);

pub async fn delete_matching(link: &Link, spaces: &[&Key], patterns: &[Pattern]) -> Result<u64> {
    let mut walk = Walk::new(link, spaces, patterns);
    let mut removed = 0;
    let mut found = walk.next().await?;
    while let Some((step, keys)) = found {
        // The walk continues while they are removed: one round trip per step.
        let (count, next) = try_join(in_time(link, step.unlink(&keys)), walk.next()).await?;
        removed += count;
        found = next;
    }
    Ok(removed)
}

/// Iterates over the keys that match one of several patterns, a few at a time, possibly some of
/// them twice.
pub struct Walk<'a> {
    link: &'a Link,
    spaces: &'a [&'a Key],
    patterns: &'a [Pattern],
    /// What the server looks for: the pattern in its space or, for several patterns, their common
    /// prefix.
    glob: Vec<u8>,
    started: Instant,
    cursor: Vec<u8>,
    is_done: bool,
}

impl<'a> Walk<'a> {
    pub fn new(link: &'a Link, spaces: &'a [&'a Key], patterns: &'a [Pattern]) -> Self {
        let (prefix, glob) = match (spaces, patterns) {
            ([space], [pattern]) => (space.as_bytes(), pattern.as_bytes()),
            _ => (common_prefix(spaces), &b"*"[..]),
        };
        Self {
            link,
            spaces,
            patterns,
            glob: [&escape(prefix)[..], glob].concat(),
            started: Instant::now(),
            cursor: b"0".to_vec(),
            is_done: spaces.is_empty() || patterns.is_empty(),
        }
    }

    pub async fn next_keys(&mut self) -> Result<Option<Vec<Vec<u8>>>> {
        Ok(self.next().await?.map(|(_, keys)| keys))
    }

    async fn next(&mut self) -> Result<Option<(Step<'a>, Vec<Vec<u8>>)>> {
        if self.is_done {
            return Ok(None);
        }
        if self.started.elapsed() > LONGEST_SCAN {
            return Err(StoreError::Rejected("SCAN does not come to an end".into()));
        }
        let scanned = async {
            let step = Step {
                lane: self.link.bulk_lane().await,
                link: self.link,
            };
            let (next, keys) = step.scan(&self.cursor, &self.glob).await?;
            Ok((step, next, keys))
        };
        let (step, next, mut keys) = in_time(self.link, scanned).await?;
        self.is_done = next == b"0";
        self.cursor = next;
        if self.spaces.len() > 1 || self.patterns.len() > 1 {
            keys.retain(|key| matches_in(self.spaces, self.patterns, key));
        }
        Ok(Some((step, keys)))
    }
}

fn common_prefix<'a>(spaces: &[&'a Key]) -> &'a [u8] {
    let mut names = spaces.iter().map(|space| space.as_bytes());
    let first = names.next().unwrap_or_default();
    names.fold(first, |prefix, name| {
        let alike = prefix.iter().zip(name).take_while(|(a, b)| a == b);
        &prefix[..alike.count()]
    })
}

async fn in_time<T>(link: &Link, step: impl Future<Output = Result<T>>) -> Result<T> {
    match timeout(link.command_timeout(), step).await {
        Ok(outcome) => outcome,
        Err(_) => {
            // A step is small: a server that does not answer it does not answer anything.
            link.declare_dead();
            Err(StoreError::Lost)
        }
    }
}

struct Step<'a> {
    /// `None`: on the lane for calls.
    lane: Option<Arc<Lane>>,
    link: &'a Link,
}

impl Step<'_> {
    async fn query(&self, words: &[&[u8]]) -> Result<Value> {
        match &self.lane {
            Some(lane) => {
                let answer = lane.query(command(words));
                self.link.unless_broken(lane, answer).await
            }
            None => self.link.calls.query(command(words)).await,
        }
    }

    async fn scan(&self, cursor: &[u8], glob: &[u8]) -> Result<(Vec<u8>, Vec<Vec<u8>>)> {
        let scan = [b"SCAN", cursor, b"MATCH", glob, b"COUNT", SCAN_COUNT];
        match self.query(&scan).await? {
            Value::Array(parts) => match <[Value; 2]>::try_from(parts) {
                Ok([Value::BulkString(next), Value::Array(keys)]) => Ok((next, names(keys))),
                _ => Err(unexpected()),
            },
            _ => Err(unexpected()),
        }
    }

    /// All at once.
    async fn unlink(&self, keys: &[Vec<u8>]) -> Result<u64> {
        let word = self.link.unlink().as_bytes();
        let commands = keys.iter().map(|name| command(&[word, name]));
        let commands = commands.collect();
        let answers = match &self.lane {
            Some(lane) => {
                let answers = lane.query_all(commands);
                self.link.unless_broken(lane, answers).await?
            }
            None => self.link.calls.query_all(commands).await?,
        };
        Ok(answers
            .iter()
            .filter(|answer| **answer == Value::Int(1))
            .count() as u64)
    }
}

fn names(keys: Vec<Value>) -> Vec<Vec<u8>> {
    let names = keys.into_iter().filter_map(|key| match key {
        Value::BulkString(name) => Some(name),
        _ => None,
    });
    names.collect()
}

fn unexpected() -> StoreError {
    StoreError::Rejected("SCAN answered what it cannot answer".into())
}
