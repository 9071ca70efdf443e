//! What a backplane tells its user without being asked.

use std::sync::Arc;

use crate::store::availability::Availability;

/// What the user of a backplane is told, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// `reason`: why Redis is unavailable; empty otherwise.
    State { name: &'static str, reason: String },
    /// More was written in an outage than could be remembered key by key.
    JournalOverflow,
    /// A task panicked, and was started again.
    Failed { what: &'static str },
    /// The server lets nobody do this, or not this user: a command by its name, `keys` or `channels`.
    Forbidden { what: String },
    /// No connection that receives can be had, though Redis is there.
    Deaf { reason: String },
    /// A lock that was held is somebody else's, or may be.
    LockLost { handle: u64 },
    /// The server wants no password, and one was sent.
    NeedlessPassword,
    /// To be answered with [`super::Backplane::answer_login`].
    CredentialsWanted { number: u32 },
}

pub type OnEvent = Arc<dyn Fn(Event) + Send + Sync>;

/// What users call a state.
pub fn name<S>(state: &Availability<S>) -> &'static str {
    match state {
        Availability::Idle => "idle",
        Availability::Connecting => "connecting",
        Availability::Ready(_) => "ready",
        Availability::Degraded(_) => "degraded",
        Availability::Closed => "closed",
    }
}

/// That this state has begun.
pub fn event<S>(state: &Availability<S>) -> Event {
    let reason = match state {
        Availability::Degraded(outage) => outage.reason.clone(),
        _ => String::new(),
    };
    Event::State {
        name: name(state),
        reason,
    }
}
