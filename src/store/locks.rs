//! Locks: leases with an owner, and a queue of waiters. Two stores implement [`Locker`], and one
//! suite of tests (`tests/contracts/locks/`) runs on both.
//!
//! A waiter is called when it may be its turn: by the release, which hands the lock over, and, if
//! it is the first in the queue, in time for the end of the holder's lease. A call only means to
//! try again: a call that comes twice or for nothing does no harm.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use super::{Key, Result, Ttl, slot};

/// How long a lock is reserved for the waiter it is handed to, until that waiter takes it.
pub const HANDOVER: Ttl = Ttl::from_whole_millis(1000);

const CHANNELS: &[u8] = b"backplane:lock:";

/// The keys of one lock, all in one hash slot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LockKeys {
    pub lock: Key,
    pub fence: Key,
    pub queue: Key,
    /// Prefix of the channels on which waiters are called.
    pub channels: Key,
}

impl LockKeys {
    pub fn new(prefix: &[u8], name: &[u8]) -> Self {
        let lock = Key::new(&[prefix, b"lock:", name]);
        Self {
            fence: slot::beside(&lock, prefix, b"lock-fence:", name),
            queue: slot::beside(&lock, prefix, b"lock-queue:", name),
            lock,
            channels: Key::new(&[prefix, CHANNELS]),
        }
    }
}

/// Where a process receives the calls of its waiters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessAddress(u64);

impl ProcessAddress {
    pub fn unique() -> Self {
        Self(fastrand::u64(..))
    }

    /// A unique token.
    pub fn token(self) -> Token {
        Token(self, fastrand::u64(..))
    }

    pub fn channel(self, prefix: &[u8]) -> Key {
        Key::new(&[prefix, CHANNELS, self.to_string().as_bytes()])
    }
}

impl fmt::Display for ProcessAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Owns a lock, or waits for it: one for every attempt. Written as 32 hexadecimal digits, the first
/// 16 of which are its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(ProcessAddress, u64);

impl Token {
    pub fn parse(text: &[u8]) -> Option<Self> {
        let number =
            |digits: Option<&[u8]>| u64::from_str_radix(str::from_utf8(digits?).ok()?, 16).ok();
        Some(Self(
            ProcessAddress(number(text.get(..16))?),
            number(text.get(16..))?,
        ))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:016x}", self.0, self.1)
    }
}

/// Who is called, and how long from now they have to try again.
pub type Wake = (Token, Duration);

/// What [`Locker`]s on Redis publish: a token, and milliseconds.
pub fn parse_wake(payload: &[u8]) -> Option<Wake> {
    let (token, ms) = str::from_utf8(payload).ok()?.split_once(':')?;
    let ms = ms.parse().ok()?;
    Some((Token::parse(token.as_bytes())?, Duration::from_millis(ms)))
}

/// Whether a caller that is denied a lock waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueTurn {
    /// It does not wait.
    No,
    /// It joins at the end of the queue.
    New,
    /// It has a place already, and keeps it.
    Place(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Granted {
        /// Greater than the fence of every earlier grant of this lock, as far as the store
        /// remembers.
        fence: u64,
    },
    Denied {
        /// When the lease will have ended, if nothing happens before; `None`: not known.
        free_in: Option<Duration>,
        /// In the queue; 0 for a caller that does not wait.
        place: u64,
    },
}

pub trait Locker: Send + Sync {
    /// Acquires a lock that is free and has no earlier waiter, or that the token already holds: a
    /// caller that lost the answer may ask again. The fence is greater than `known_fence`. O(log
    /// waiters).
    fn take(
        &self,
        keys: &LockKeys,
        token: Token,
        lease: Ttl,
        turn: QueueTurn,
        known_fence: u64,
    ) -> impl Future<Output = Result<Taken>> + Send;

    /// Makes the lease end after this time from now. `false`: the token does not hold it (any
    /// more). O(log waiters).
    fn extend(
        &self,
        keys: &LockKeys,
        token: Token,
        lease: Ttl,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Hands the lock to the next waiter if the token holds it (which is returned), and removes the
    /// token from the queue. O(log waiters).
    fn give(&self, keys: &LockKeys, token: Token) -> impl Future<Output = Result<bool>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_text() {
        let token = ProcessAddress::unique().token();
        assert_eq!(Token::parse(token.to_string().as_bytes()), Some(token));
        for text in [
            "",
            "abc",
            "0123456789abcdef",
            "é123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(Token::parse(text.as_bytes()), None);
        }
    }
}
