//! The address of the server and the login. Nothing in here prints a secret.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::login::{Login, OnNotice};
use super::seeds::Seeds;
use super::tls::Tls;

#[derive(Clone)]
pub struct Endpoint {
    pub address: ServerAddress,
    /// `Some`: TLS, always verified.
    pub tls: Option<Tls>,
    pub login: Login,
    pub db: u32,
    /// Bounds name resolution, connecting, TLS and the first commands together.
    pub connect_timeout: Duration,
    /// Bounds every later step.
    pub command_timeout: Duration,
    pub on_notice: OnNotice,
}

impl Endpoint {
    /// The hosts, for a server that is reached by its host.
    pub fn seeds(&self) -> Option<&Seeds> {
        match &self.address {
            ServerAddress::Tcp(seeds) => Some(seeds),
            ServerAddress::Unix(_) | ServerAddress::Unknown(_) => None,
        }
    }
}

#[derive(Clone, Debug)]
pub enum ServerAddress {
    Tcp(Seeds),
    Unix(PathBuf),
    /// The address is missing or invalid; holds the reason, for humans.
    Unknown(String),
}

#[derive(Clone)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}
