//! The options of a backplane.

use super::LocalCacheOptions;
use super::locks::WhenUnavailable;
use super::pubsub::mailbox::MailBounds;
use crate::store::Ttl;
use crate::store::memory::Bounds;
use crate::store::remote::endpoint::Endpoint;

pub struct Options {
    pub endpoint: Endpoint,
    /// Whether the program is asked for credentials before each login.
    pub asks_for_credentials: bool,
    /// Prefix of every key and every channel.
    pub key_prefix: String,
    pub memory: Bounds,
    /// Of each subscriber.
    pub mail: MailBounds,
    pub locks: WhenUnavailable,
    /// Whether presence that is set here lasts as long as this process.
    pub heartbeat: bool,
    /// How long a query result is kept here while Redis is unavailable.
    pub degraded_query_ttl: Ttl,
    /// Of the local cache in front of the messages on Redis.
    pub messages: Bounds,
    /// Of the local cache in front of the cache on Redis, if enabled.
    pub local_cache: Option<LocalCacheOptions>,
    /// The number of kinds of calls that are counted.
    pub call_kinds: usize,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::store::remote::endpoint::ServerAddress;
    use crate::store::remote::login::{Credentials, Login};

    impl Options {
        /// For a backplane without Redis.
        pub fn nowhere(max_bytes: u64) -> Self {
            let bounds = Bounds {
                max_entries: max_bytes,
                max_bytes,
            };
            Self {
                endpoint: Endpoint {
                    address: ServerAddress::Unix("/nowhere".into()),
                    tls: None,
                    login: Login::Known(Credentials::default()),
                    db: 0,
                    connect_timeout: Duration::from_secs(1),
                    command_timeout: Duration::from_secs(1),
                    on_notice: Arc::new(|_| ()),
                },
                asks_for_credentials: false,
                key_prefix: String::new(),
                memory: bounds,
                mail: MailBounds {
                    max_messages: max_bytes as usize,
                    max_bytes: max_bytes as usize,
                },
                locks: WhenUnavailable::Local,
                heartbeat: false,
                messages: bounds,
                local_cache: None,
                call_kinds: 0,
                degraded_query_ttl: Ttl::from_whole_millis(5000),
            }
        }
    }
}
