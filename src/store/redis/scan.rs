//! Deletes by pattern, in bounded steps: one SCAN, then the keys that it found, each in a command
//! of its own so that it works on a cluster. Runs beside the calls, on the lane for long work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::Value;
use tokio::time::timeout;

use super::command;
use super::connection::lane::Lane;
use super::connection::link::Link;
use crate::store::glob::escape;
use crate::store::{Key, Pattern, Result, StoreError};

/// Slots that the server looks at in one step: well below a millisecond of its time.
const SCAN_COUNT: &[u8] = b"512";
/// A scan that has not come to its end by then never will.
const LONGEST_SCAN: Duration = Duration::from_secs(600);

pub async fn delete_matching(link: &Link, space: &Key, pattern: &Pattern) -> Result<u64> {
    let glob = [&escape(space.as_bytes())[..], pattern.as_bytes()].concat();
    let started = Instant::now();
    let mut cursor = b"0".to_vec();
    let mut removed = 0;
    loop {
        let step = step(link, &cursor, &glob);
        let Ok(outcome) = timeout(link.command_timeout(), step).await else {
            // A step is small: whoever does not answer it does not answer anything.
            link.declare_dead();
            return Err(StoreError::Lost);
        };
        let (next, count) = outcome?;
        removed += count;
        if next == b"0" {
            return Ok(removed);
        }
        if started.elapsed() > LONGEST_SCAN {
            return Err(StoreError::Rejected("SCAN does not come to an end".into()));
        }
        cursor = next;
    }
}

async fn step(link: &Link, cursor: &[u8], glob: &[u8]) -> Result<(Vec<u8>, u64)> {
    let step = Step {
        lane: link.bulk_lane().await,
        link,
    };
    let (next, keys) = step.scan(cursor, glob).await?;
    let removed = step.unlink(&keys).await?;
    Ok((next, removed))
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

    async fn scan(&self, cursor: &[u8], glob: &[u8]) -> Result<(Vec<u8>, Vec<Value>)> {
        let scan = [b"SCAN", cursor, b"MATCH", glob, b"COUNT", SCAN_COUNT];
        match self.query(&scan).await? {
            Value::Array(parts) => match <[Value; 2]>::try_from(parts) {
                Ok([Value::BulkString(next), Value::Array(keys)]) => Ok((next, keys)),
                _ => Err(unexpected()),
            },
            _ => Err(unexpected()),
        }
    }

    /// All at once.
    async fn unlink(&self, keys: &[Value]) -> Result<u64> {
        let names = keys.iter().filter_map(|key| match key {
            Value::BulkString(name) => Some(&name[..]),
            _ => None,
        });
        let commands = names.map(|name| command(&[b"UNLINK", name])).collect();
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

fn unexpected() -> StoreError {
    StoreError::Rejected("SCAN answered what it cannot answer".into())
}
