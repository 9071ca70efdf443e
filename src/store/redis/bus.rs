//! Publishing on a Redis server.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use redis::{Cmd, Value, cmd};

use super::RedisStore;
use crate::store::bus::{Bus, Reach};
use crate::store::keyed_mutex::KeyedMutex;
use crate::store::{Key, Result};

impl Bus for RedisStore {
    async fn publish(&self, reach: Reach, channel: &Key, payload: Bytes) -> Result<u64> {
        let name = match reach {
            Reach::Everywhere => "PUBLISH",
            Reach::Shard => "SPUBLISH",
        };
        let bytes = payload.len();
        let publish = || {
            let mut publish = Cmd::with_capacity(3, channel.as_bytes().len() + bytes + 16);
            publish.arg(name).arg(channel.as_bytes()).arg(&payload[..]);
            publish
        };
        if self.publishes.is_idle() && self.link.calls.has_room_for(bytes) {
            let published = self.link.calls.query_of(bytes, publish());
            return published.await.map(count);
        }
        Box::pin(self.publish_in_turn(bytes, publish))
            .await
            .map(count)
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
        // Each channel's name, followed by its number.
        let pairs = match answer {
            Value::Array(pairs) => pairs,
            _ => Vec::new(),
        };
        Ok(pairs.into_iter().skip(1).step_by(2).map(count).collect())
    }
}

/// Messages that are sent on the other lane, and those behind them. A subscriber of several
/// channels receives them in the order in which they were published.
pub type Publishes = KeyedMutex<()>;

impl RedisStore {
    /// There is no order between two lanes. So a message on the other lane first lets the lane for
    /// calls answer what was published before it, and later messages wait for its answer.
    async fn publish_in_turn(&self, bytes: usize, publish: impl Fn() -> Cmd) -> Result<Value> {
        let place = self.publishes.place(&());
        let turn = self.turn(&place).await;
        if !self.link.calls.has_room_for(bytes) {
            self.link.calls.query(cmd("PING")).await?;
            return self.link.bulk(publish()).await;
        }
        let mut published = pin!(self.link.calls.query_of(bytes, publish()));
        // Polled once it has its place on the lane.
        let first = poll_fn(|context| Poll::Ready(published.as_mut().poll(context))).await;
        drop(turn);
        drop(place);
        match first {
            Poll::Ready(answer) => answer,
            Poll::Pending => published.await,
        }
    }
}

fn count(answer: Value) -> u64 {
    match answer {
        Value::Int(count) => count.max(0) as u64,
        _ => 0,
    }
}
