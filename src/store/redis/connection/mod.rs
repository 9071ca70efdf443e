//! Connections to one Redis server, over redis-rs' `MultiplexedConnection`.
//!
//! - [`endpoint`]: where and who; [`dial`] opens the stream (by [`race`]), [`login`] has us let in, [`open`]
//!   makes the connection on it.
//! - [`peer_check`]: what stands there, and whether it answers what it is asked.
//! - [`lane`]: what callers use: a queue of commands in front of one connection.
//! - [`flow`]: what moves on a connection; [`bandwidth`], how fast; [`deadline`], what calls make of it.
//! - [`bulk`]: the second connection.
//! - [`link`]: the lanes to one server while it is up.
//! - [`supervisor`]: the state machine that keeps a link, for ever.

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
