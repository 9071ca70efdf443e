//! The store on the network, as the backplane knows it: by what it does. Which one it is, and what it
//! is made of, says whoever makes a backplane.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

#[cfg(test)]
pub use super::redis::RedisStore as NeverReached;
pub use super::redis::connection::{deadline, endpoint, login};

use super::availability::{Recovery, Switch};
use super::presence::{Condition, PresenceKeys, ProcessLease, Socket};
use super::topics::Topics;
use super::{
    Bus, Key, Limiter, Locker, ProcessLeases, RawCommands, Result, Roster, ServerInfo, Tagged, Ttl,
};
use endpoint::Endpoint;

/// A store on a server. Its connections are made by [`Remote::supervise`] and [`Remote::receive`].
pub trait Remote:
    Tagged + Locker + Limiter + Bus + ServerInfo + RawCommands + Sized + 'static
{
    /// Presence on it, under the names of one prefix.
    type Roster<'a>: RemoteRoster;

    /// Whether a call may have to wait for a large write of its key.
    fn has_large_writes(&self) -> bool;

    fn roster<'a>(&'a self, names: &'a PresenceKeys) -> Self::Roster<'a>;

    /// Keeps connected to a server, until the answer is dropped: `switch` has the state. To be called on
    /// the I/O thread.
    fn supervise(
        endpoint: Endpoint,
        probe_key: Key,
        recovery: Arc<impl Recovery<Self>>,
        switch: Arc<Switch<Self>>,
    ) -> Box<dyn Send + Sync>;

    /// How connections are opened that receive.
    fn receive(endpoint: Endpoint, switch: Arc<Switch<Self>>) -> Receive;

    /// Ends its connections for good, whoever still holds it.
    fn end(&self);
}

/// Opens a connection that only receives, for somebody's topics. To be called on the I/O thread.
pub type Receive = Arc<dyn Fn(Arc<Topics>, OnPubsubEvent) -> Box<dyn Receiving> + Send + Sync>;

pub type OnPubsubEvent = Box<dyn Fn(PubsubEvent) + Send + Sync>;

/// A connection that only receives. It ends when it is dropped.
pub trait Receiving: Send + Sync {
    /// Waits until the server has been seen to send all that is wanted, or cannot.
    fn restored(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// What the owner of a pub/sub connection is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PubsubEvent {
    /// Everything that was wanted when it connected is subscribed to, or was refused.
    Restored,
    /// Messages are missed from now on; holds the reason.
    Lost(String),
    /// The server refuses a subscription.
    Refused,
}

/// What a server alone can be asked about sockets, beside what every [`Roster`] can.
pub trait RemoteRoster: Roster + ProcessLeases + Send + Sync {
    /// Whether a socket is present in every place where it was set, and has not been set again or
    /// removed since that version. O(rooms).
    fn has(&self, socket: &Socket, version: u64) -> impl Future<Output = Result<bool>> + Send;

    /// Removes a socket from its places, except where it has been set since that version. O(rooms).
    fn leave(&self, socket: &Socket, version: u64) -> impl Future<Output = Result<()>> + Send;

    /// Sets a socket in all of its places. Returns whether the server has lost it meanwhile.
    fn put_in_all(
        &self,
        socket: &Socket,
        before: Option<&Socket>,
        lease: Option<ProcessLease>,
        ttl: Ttl,
        condition: Condition,
    ) -> impl Future<Output = Result<Option<PresenceSet>>> + Send;
}

/// A socket that was set.
pub struct PresenceSet {
    pub version: u64,
    /// The server has lost its own entry since, and possibly more.
    pub is_lost: bool,
}
