//! The configuration of a backplane, as the facade passes it: checked and complete.

use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use super::operations::OPS;
use crate::backplane::pubsub::mailbox::MailBounds;
use crate::backplane::{LocalCacheOptions, Options, WhenUnavailable};
use crate::store::Ttl;
use crate::store::memory::Bounds;
use crate::store::redis::connection::endpoint::{Endpoint, Secret, ServerAddress};
use crate::store::redis::connection::login::{Credentials, Login};
use crate::store::redis::connection::seeds::{Host, Seeds};
use crate::store::redis::connection::tls::{ClientCertificate, OwnCertificate, Tls, TlsOptions};

/// Every value has been checked by `lib/config.js`.
#[napi(object, object_to_js = false)]
pub struct BackplaneOptions {
    /// Tried in turn; at least one, unless there is a `path` or a `mistake`.
    pub hosts: Vec<HostName>,
    /// A Unix socket; replaces the hosts.
    pub path: Option<String>,
    /// The mistake in the environment because of which the address of the server is unknown. For
    /// humans.
    pub mistake: Option<String>,
    pub tls: Option<TlsSettings>,
    pub username: Option<String>,
    pub password: Option<String>,
    /// Called before each login, instead of user name and password.
    pub asks_for_credentials: bool,
    pub db: u32,
    pub key_prefix: String,
    pub connect_timeout_ms: u32,
    pub command_timeout_ms: u32,
    pub max_entries: f64,
    pub max_bytes: f64,
    pub max_queued: f64,
    pub max_queued_bytes: f64,
    /// While Redis is unavailable nobody gets a lock.
    pub deny_locks: bool,
    /// Presence that is set here lasts as long as this process.
    pub presence_heartbeat: bool,
    pub degraded_query_ttl_ms: f64,
    /// Of the local cache in front of the cache; none if absent.
    pub local_cache: Option<LocalCacheSettings>,
    pub max_messages: f64,
    pub max_message_bytes: f64,
}

#[napi(object)]
pub struct HostName {
    pub host: String,
    pub port: u16,
}

impl From<HostName> for Host {
    fn from(host: HostName) -> Self {
        Self {
            name: host.host,
            port: host.port,
        }
    }
}

#[napi(object)]
pub struct LocalCacheSettings {
    pub max_entries: f64,
    pub max_bytes: f64,
    pub ttl_ms: f64,
}

impl From<LocalCacheSettings> for LocalCacheOptions {
    fn from(settings: LocalCacheSettings) -> Self {
        Self {
            bounds: Bounds {
                max_entries: settings.max_entries as u64,
                max_bytes: settings.max_bytes as u64,
            },
            ttl: Ttl::from_millis(settings.ttl_ms),
        }
    }
}

/// Certificates and keys as DER.
#[napi(object, object_to_js = false)]
pub struct TlsSettings {
    /// Certificate authorities.
    pub roots: Vec<Uint8Array>,
    /// No others are trusted; otherwise Mozilla's authorities are trusted, too.
    pub only: bool,
    pub own: Vec<OwnCertificateSettings>,
    /// With `key`: the client's chain.
    pub cert: Option<Vec<Uint8Array>>,
    /// PKCS #8
    pub key: Option<Uint8Array>,
    pub servername: Option<String>,
}

/// The server's own certificate.
#[napi(object, object_to_js = false)]
pub struct OwnCertificateSettings {
    pub certificate: Uint8Array,
    pub public_key: Uint8Array,
    pub not_before_ms: f64,
    pub not_after_ms: f64,
    pub names: Vec<String>,
}

/// The mistake in the settings, for humans.
#[napi]
#[cfg_attr(test, allow(dead_code, reason = "tests export nothing to JavaScript"))]
pub fn check_tls(settings: TlsSettings) -> Option<String> {
    Tls::new(settings.into()).err().map(str::to_owned)
}

impl From<BackplaneOptions> for Options {
    fn from(options: BackplaneOptions) -> Self {
        let tls = options.tls.map(TlsOptions::from).map(Tls::new).transpose();
        let mistake = options
            .mistake
            .or(tls.as_ref().err().map(|why| (*why).to_owned()));
        let address = match (mistake, options.path) {
            (Some(mistake), _) => ServerAddress::Unknown(mistake),
            (None, Some(path)) => ServerAddress::Unix(path.into()),
            (None, None) if options.hosts.is_empty() => {
                ServerAddress::Unknown("no host is known".into())
            }
            (None, None) => ServerAddress::Tcp(Seeds::new(
                options.hosts.into_iter().map(Host::from).collect(),
            )),
        };
        Options {
            endpoint: Endpoint {
                address,
                tls: tls.ok().flatten(),
                login: Login::Known(Credentials {
                    username: options.username,
                    password: options.password.map(Secret),
                }),
                db: options.db,
                connect_timeout: Duration::from_millis(options.connect_timeout_ms.into()),
                command_timeout: Duration::from_millis(options.command_timeout_ms.into()),
                on_notice: Arc::new(|_| ()),
            },
            asks_for_credentials: options.asks_for_credentials,
            key_prefix: options.key_prefix,
            memory: Bounds {
                max_entries: options.max_entries as u64,
                max_bytes: options.max_bytes as u64,
            },
            mail: MailBounds {
                max_messages: options.max_queued as usize,
                max_bytes: options.max_queued_bytes as usize,
            },
            locks: match options.deny_locks {
                true => WhenUnavailable::Deny,
                false => WhenUnavailable::Local,
            },
            heartbeat: options.presence_heartbeat,
            messages: Bounds {
                max_entries: options.max_messages as u64,
                max_bytes: options.max_message_bytes as u64,
            },
            local_cache: options.local_cache.map(LocalCacheOptions::from),
            degraded_query_ttl: Ttl::from_millis(options.degraded_query_ttl_ms),
            call_kinds: OPS.len(),
        }
    }
}

impl From<TlsSettings> for TlsOptions {
    fn from(settings: TlsSettings) -> Self {
        let all = |list: Vec<Uint8Array>| list.iter().map(|one| one.to_vec()).collect();
        Self {
            roots: all(settings.roots),
            only: settings.only,
            own: settings.own.into_iter().map(OwnCertificate::from).collect(),
            identity: settings
                .cert
                .zip(settings.key)
                .map(|(cert, key)| ClientCertificate {
                    chain: all(cert),
                    key: key.to_vec(),
                }),
            servername: settings.servername,
        }
    }
}

impl From<OwnCertificateSettings> for OwnCertificate {
    fn from(own: OwnCertificateSettings) -> Self {
        Self {
            certificate: own.certificate.to_vec(),
            public_key: own.public_key.to_vec(),
            not_before: Duration::from_millis(own.not_before_ms.max(0.0) as u64),
            not_after: Duration::from_millis(own.not_after_ms.max(0.0) as u64),
            names: own.names,
        }
    }
}
