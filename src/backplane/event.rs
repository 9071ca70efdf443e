//! Events that a backplane reports to its user.

use std::sync::Arc;

use crate::store::availability::Availability;

/// An event for the user of a backplane, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// `reason`: why Redis is unavailable; empty otherwise.
    State { name: &'static str, reason: String },
    /// More was written in an outage than could be recorded key by key.
    JournalOverflow,
    /// A task panicked and was restarted.
    Failed { what: &'static str },
    /// The server forbids this to everyone or to this user: a command by its name, `keys` or
    /// `channels`.
    Forbidden { what: String },
    /// No receiving connection can be opened although Redis is available.
    Deaf { reason: String },
    /// A lock that was held belongs to someone else now, or may.
    LockLost { handle: u64 },
    /// A password was sent to a server that needs none.
    NeedlessPassword,
    /// Must be answered with [`super::Backplane::answer_login`].
    CredentialsWanted { number: u32 },
}

pub type OnEvent = Arc<dyn Fn(Event) + Send + Sync>;

/// The user-visible name of a state.
pub fn name<S>(state: &Availability<S>) -> &'static str {
    match state {
        Availability::Idle => "idle",
        Availability::Connecting => "connecting",
        Availability::Ready(_) => "ready",
        Availability::Degraded(_) => "degraded",
        Availability::Closed => "closed",
    }
}

/// The event that this state has begun.
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
