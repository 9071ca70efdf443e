//! What a server sends on a connection with subscriptions.

use redis::Value;

use crate::store::bus::{Topic, TopicKind};
use crate::store::redis::reply;
use crate::store::{Key, StoreError};

pub enum PushMessage {
    /// The topic that it was subscribed by, the channel if that does not tell, and the payload.
    Message(Topic, Option<Vec<u8>>, Vec<u8>),
    /// A subscription has begun.
    Subscribed(Topic),
    /// The end of a subscription.
    Gone(Topic),
    Refusal(StoreError),
    /// What was sent with a PING.
    Pong(Vec<u8>),
    /// Anything else.
    Answer,
}

impl From<Value> for PushMessage {
    fn from(value: Value) -> Self {
        match value {
            Value::Array(words) => words.into(),
            Value::ServerError(error) => Self::Refusal(reply::classify(&error)),
            Value::BulkString(text) => Self::Pong(text),
            Value::SimpleString(text) if text == "PONG" => Self::Pong(Vec::new()),
            _ => Self::Answer,
        }
    }
}

impl From<Vec<Value>> for PushMessage {
    fn from(words: Vec<Value>) -> Self {
        let mut words = words.into_iter().map(|word| match word {
            Value::BulkString(bytes) => bytes,
            _ => Vec::new(),
        });
        let mut next = || words.next().unwrap_or_default();
        let verb = next();
        let topic = |kind, name: Vec<u8>| Topic {
            kind,
            name: Key::from(name),
        };
        match &verb[..] {
            b"message" => Self::Message(topic(TopicKind::Channel, next()), None, next()),
            b"smessage" => Self::Message(topic(TopicKind::Shard, next()), None, next()),
            b"pmessage" => Self::Message(topic(TopicKind::Pattern, next()), Some(next()), next()),
            b"subscribe" => Self::Subscribed(topic(TopicKind::Channel, next())),
            b"psubscribe" => Self::Subscribed(topic(TopicKind::Pattern, next())),
            b"ssubscribe" => Self::Subscribed(topic(TopicKind::Shard, next())),
            b"pong" => Self::Pong(next()),
            b"unsubscribe" => Self::Gone(topic(TopicKind::Channel, next())),
            b"punsubscribe" => Self::Gone(topic(TopicKind::Pattern, next())),
            b"sunsubscribe" => Self::Gone(topic(TopicKind::Shard, next())),
            _ => Self::Answer,
        }
    }
}
