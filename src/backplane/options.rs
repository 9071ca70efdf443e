//! What a backplane is made of, as its user wants it.

use super::LocalCacheOptions;
use super::locks::WhenAway;
use super::mailbox::MailBounds;
use crate::store::Ttl;
use crate::store::memory::Bounds;
use crate::store::remote::connection::endpoint::Endpoint;

pub struct Options {
    pub endpoint: Endpoint,
    /// Whether the program is asked for credentials before each login.
    pub asks_for_credentials: bool,
    /// Before every key and every channel.
    pub key_prefix: String,
    pub memory: Bounds,
    /// Of each subscriber.
    pub mail: MailBounds,
    pub locks: WhenAway,
    /// Whether presence that is set here lasts as long as this process.
    pub heartbeat: bool,
    /// How long a query result lasts that is kept here while Redis is away.
    pub degraded_query_ttl: Ttl,
    /// Of the layer of memory before the messages on Redis.
    pub messages: Bounds,
    /// Before what is cached on Redis, if wanted.
    pub local_cache: Option<LocalCacheOptions>,
    /// Kinds of calls that are counted.
    pub call_kinds: usize,
}
