//! The first exchange on a stream: identifies us, if a login is known, and learns whether the
//! server accepts us. Done by hand, because a full server says so before it is asked, and a driver
//! would drop an answer that nobody waits for.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::dial::ByteStream;
use super::endpoint::{Endpoint, Secret};
use super::open::{ConnectError, command, unreachable};
use super::peer_check::NOT_REDIS;
use crate::store::redis::reply;

/// Bytes of the first answer that are read before the peer counts as something else.
const LONGEST_GREETING: usize = 1024;
/// The answer of a server to a password that it does not need; up to Redis 5 the first form.
const NEEDLESS: [&str; 2] = ["no password is set", "called without any password"];
/// Up to Redis 5 there are no users.
const KNOWS_NO_USERS: &str = "wrong number of arguments";

/// The login.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    pub username: Option<String>,
    pub password: Option<Secret>,
}

pub type CredentialsFuture = Pin<Box<dyn Future<Output = Result<Credentials, String>> + Send>>;

#[derive(Clone)]
pub enum Login {
    Known(Credentials),
    /// Called before every login. An error is for humans and contains no secret.
    Ask(Arc<dyn Fn() -> CredentialsFuture + Send + Sync>),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

impl Credentials {
    /// The first command to the server.
    fn hello(&self) -> Vec<&str> {
        match (self.username.as_deref(), &self.password) {
            (Some(username), Some(password)) => vec!["AUTH", username, &password.0],
            (Some(username), None) => vec!["AUTH", username, ""],
            (None, Some(password)) => vec!["AUTH", &password.0],
            (None, None) => vec!["PING"],
        }
    }

    fn without_user(self) -> Self {
        Self {
            username: None,
            ..self
        }
    }
}

impl Login {
    /// At most nine tenths of the connect timeout, so that the cause of the delay can still be
    /// reported.
    async fn credentials(&self, endpoint: &Endpoint) -> Result<Credentials, ConnectError> {
        let asked = match self {
            Self::Known(credentials) => return Ok(credentials.clone()),
            Self::Ask(ask) => ask(),
        };
        let patience = endpoint.connect_timeout * 9 / 10;
        let late = || Err("credentials() did not answer in time".to_owned());
        let answer = timeout(patience, asked).await.unwrap_or_else(|_| late());
        answer.map_err(ConnectError::Unreachable)
    }
}

pub async fn log_in(
    stream: &mut Box<dyn ByteStream>,
    endpoint: &Endpoint,
) -> Result<(), ConnectError> {
    let credentials = endpoint.login.credentials(endpoint).await?;
    let mut answer = exchange(stream, &credentials.hello()).await?;
    if credentials.username.is_some() && answer.is_error_with(&[KNOWS_NO_USERS]) {
        answer = exchange(stream, &credentials.without_user().hello()).await?;
    }
    match answer {
        LoginReply::Accepted => Ok(()),
        answer if answer.is_error_with(&NEEDLESS) => {
            (endpoint.on_notice)(Notice::NeedlessPassword);
            Ok(())
        }
        LoginReply::Error(text) => {
            let (code, details) = text.split_once(' ').unwrap_or((&text, ""));
            Err(ConnectError::Refused(reply::refusal_code(code, details)))
        }
    }
}

/// Worth a log line, although it prevents nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A password was sent to a server that needs none.
    NeedlessPassword,
    /// The server forbids this to everyone or to this user, named as by [`reply::forbidden`].
    Forbidden(String),
    /// A receiving connection cannot be opened although the one for calls works: which, and why.
    Deaf {
        pubsub_connection: u64,
        reason: String,
    },
    /// It receives, or is not needed any more.
    Hears { pubsub_connection: u64 },
}

pub type OnNotice = Arc<dyn Fn(Notice) + Send + Sync>;

enum LoginReply {
    Accepted,
    Error(String),
}

impl LoginReply {
    fn is_error_with(&self, words: &[&str]) -> bool {
        match self {
            Self::Accepted => false,
            Self::Error(text) => words.iter().any(|words| text.contains(words)),
        }
    }
}

async fn exchange(
    stream: &mut Box<dyn ByteStream>,
    words: &[&str],
) -> Result<LoginReply, ConnectError> {
    // A full server may have closed its side already; its answer can still be read.
    let sent = stream.write_all(&command(words).get_packed_command()).await;
    let line = read_line(stream).await.map_err(unreachable)?;
    let expected: &[u8] = match words {
        ["PING", ..] => b"PONG\r\n",
        _ => b"OK\r\n",
    };
    match line.split_first() {
        Some((b'+', said)) if said == expected => {
            sent.map(|()| LoginReply::Accepted).map_err(unreachable)
        }
        Some((b'-', text)) => Ok(LoginReply::Error(String::from_utf8_lossy(text).into())),
        _ => Err(NOT_REDIS.into()),
    }
}

async fn read_line(stream: &mut Box<dyn ByteStream>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") && line.len() < LONGEST_GREETING {
        line.push(stream.read_u8().await?);
    }
    Ok(line)
}
