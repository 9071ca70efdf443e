//! Locks: leases with an owner, and a queue of who waits for one. Two stores implement [`Locker`],
//! and one suite of tests (`tests/contracts/locks/`) runs on both.
//!
//! Whoever waits is called when it may be its turn: by the release, which hands the lock over, and,
//! if it is the first in the queue, in time for the end of the holder's lease. Being called means to
//! try again, nothing more: a call that comes twice or for nothing does no harm.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use super::{Key, Result, Ttl, slot};

/// How long a lock is kept for whoever it is handed to, until they take it.
pub const HANDOVER: Ttl = Ttl::from_whole_millis(1000);

const CHANNELS: &[u8] = b"backplane:lock:";

/// The keys of one lock, all in one hash slot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LockKeys {
    pub lock: Key,
    pub fence: Key,
    pub queue: Key,
    /// What the name of every channel begins with on which waiters are called.
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

/// Where a process hears that one of its waiters is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessAddress(u64);

impl ProcessAddress {
    pub fn unique() -> Self {
        Self(fastrand::u64(..))
    }

    /// A token that nobody else has.
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

/// Who is called, and how long from now they are to try again.
pub type Wake = (Token, Duration);

/// What [`Locker`]s on Redis publish: a token, and milliseconds.
pub fn parse_wake(payload: &[u8]) -> Option<Wake> {
    let (token, ms) = str::from_utf8(payload).ok()?.split_once(':')?;
    let ms = ms.parse().ok()?;
    Some((Token::parse(token.as_bytes())?, Duration::from_millis(ms)))
}

/// Whether who is denied a lock waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueTurn {
    /// It goes away.
    No,
    /// It comes last.
    New,
    /// It has a place already, and keeps it.
    Place(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Granted {
        /// Greater than of every grant of this lock before, as far as the store remembers.
        fence: u64,
    },
    Denied {
        /// When the lease will have ended, if nothing happens before; `None`: not known.
        free_in: Option<Duration>,
        /// In the queue; 0 for who does not wait.
        place: u64,
    },
}

pub trait Locker: Send + Sync {
    /// Takes a lock that is free and that nobody waits for before, or is the token's already: whoever
    /// has lost the answer may ask again. The fence is greater than `known_fence`. O(log waiters).
    fn take(
        &self,
        keys: &LockKeys,
        token: Token,
        lease: Ttl,
        turn: QueueTurn,
        known_fence: u64,
    ) -> impl Future<Output = Result<Taken>> + Send;

    /// Has the lease end so long from now; `false`: it is not the token's (any more). O(log waiters).
    fn extend(
        &self,
        keys: &LockKeys,
        token: Token,
        lease: Ttl,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Gives the lock to the next waiter, if the token holds it (which is answered), and takes the token
    /// out of the queue. O(log waiters).
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
