//! Why a store did not carry out an operation. The set is closed, because each kind has its own
//! consequence in [`crate::backplane`].

use std::fmt;

pub type Result<T> = std::result::Result<T, StoreError>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The connection is lost or silent. It is unknown whether the operation took effect.
    Lost,
    /// The server answered and refuses to serve: LOADING, READONLY, OOM, NOAUTH and the like. The
    /// operation had no effect. Holds the server's error code.
    Refused(String),
    /// The server rejects this one command (its text follows). The next one may work.
    Rejected(String),
    /// One step of bulk work took too long, while the connection for calls is alive.
    TimedOut,
}

impl StoreError {
    /// The first word of the server's message, which names no key and no user; otherwise empty.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(text) | Self::Rejected(text) => text.split(' ').next().unwrap_or(""),
            Self::Lost | Self::TimedOut => "",
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => f.write_str("the connection to Redis was lost"),
            Self::Refused(code) => write!(f, "Redis refuses to serve ({code})"),
            Self::Rejected(text) => f.write_str(text),
            Self::TimedOut => f.write_str("Redis did not answer in time"),
        }
    }
}
