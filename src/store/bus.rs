//! Publishing and receiving. Two buses carry messages, one on Redis ([`super::redis`]) and one
//! within this process ([`super::memory::bus`]). What a receiver wants from either is recorded
//! once, in its [`Topics`](super::topics::Topics). One suite of tests (`tests/contracts/bus.rs`)
//! runs on both.

use std::future::Future;

use bytes::Bytes;

use super::{Key, Result};

/// How a topic selects messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TopicKind {
    /// One channel, by its name.
    Channel,
    /// Every channel that a glob matches.
    Pattern,
    /// One sharded channel (Redis 7): on a cluster it belongs to the hash slot of its name.
    Shard,
}

/// What can be subscribed to, under the name that the server knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Topic {
    pub kind: TopicKind,
    pub name: Key,
}

/// Whether to publish to channels and the patterns that match them, or to a sharded channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Everywhere,
    Shard,
}

impl Reach {
    /// The kind of topic that names a channel in full.
    pub fn exact(self) -> TopicKind {
        match self {
            Self::Everywhere => TopicKind::Channel,
            Self::Shard => TopicKind::Shard,
        }
    }
}

/// Sends to the current subscribers; stores nothing.
pub trait Bus: Send + Sync {
    /// Returns how many subscriptions the message has reached: on Redis those of all clients (of
    /// one node, on a cluster), otherwise those of this process. At most once: a message whose
    /// answer was lost is not sent again. O(receivers + patterns).
    fn publish(
        &self,
        reach: Reach,
        channel: &Key,
        payload: Bytes,
    ) -> impl Future<Output = Result<u64>> + Send;

    /// How many clients are subscribed to each of `channels` by name. O(channels).
    fn receivers(
        &self,
        reach: Reach,
        channels: &[Key],
    ) -> impl Future<Output = Result<Vec<u64>>> + Send;
}
