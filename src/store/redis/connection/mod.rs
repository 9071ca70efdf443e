//! Connections to one Redis server, over redis-rs' `MultiplexedConnection`.
//!
//! - [`endpoint`]: address and login; [`dial`] opens the stream (with [`race`]), [`login`] logs in,
//!   [`open`] makes the connection on it.
//! - [`peer_check`]: what kind of server it is, and whether it answers what it is asked.
//! - [`lane`]: the interface for callers: a queue of commands in front of one connection.
//! - [`flow`]: progress on a connection; [`bandwidth`], its speed; [`deadline`], the deadlines that
//!   follow.
//! - [`bulk`]: the second connection.
//! - [`link`]: the lanes to one server while it is up.
//! - [`supervisor`]: the state machine that maintains a link, forever.

pub mod backoff;
mod bandwidth;
mod bulk;
pub mod deadline;
pub mod dial;
pub mod endpoint;
mod flow;
pub mod lane;
pub mod link;
pub mod login;
pub mod open;
mod p521;
pub mod peer_check;
mod race;
pub mod seeds;
pub mod supervisor;
pub mod tls;
mod zombies;
