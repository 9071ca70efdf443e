//! Publishing on a Redis server.

use bytes::Bytes;
use redis::{Cmd, Value};

use super::RedisStore;
use crate::store::bus::{Bus, Reach};
use crate::store::{Key, Result};

impl Bus for RedisStore {
    async fn publish(&self, reach: Reach, channel: &Key, payload: Bytes) -> Result<u64> {
        let name = match reach {
            Reach::Everywhere => "PUBLISH",
            Reach::Shard => "SPUBLISH",
        };
        let mut publish = Cmd::with_capacity(3, channel.as_bytes().len() + payload.len() + 16);
        publish.arg(name).arg(channel.as_bytes()).arg(&payload[..]);
        if self.link.calls.has_room_for(payload.len()) {
            let published = self.link.calls.query_of(payload.len(), publish);
            return published.await.map(count);
        }
        Box::pin(self.link.bulk(publish)).await.map(count)
    }

    async fn receivers(&self, reach: Reach, channels: &[Key]) -> Result<Vec<u64>> {
        let mut ask = Cmd::new();
        ask.arg("PUBSUB").arg(match reach {
            Reach::Everywhere => "NUMSUB",
            Reach::Shard => "SHARDNUMSUB",
        });
        for channel in channels {
            ask.arg(channel.as_bytes());
        }
        let answer = self.link.calls.query(ask).await?;
        // Each channel's name, and then its number.
        let pairs = match answer {
            Value::Array(pairs) => pairs,
            _ => Vec::new(),
        };
        Ok(pairs.into_iter().skip(1).step_by(2).map(count).collect())
    }
}

fn count(answer: Value) -> u64 {
    match answer {
        Value::Int(count) => count.max(0) as u64,
        _ => 0,
    }
}
