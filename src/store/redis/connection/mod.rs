//! Connections to one Redis server, over redis-rs' `MultiplexedConnection`.
//!
//! - [`endpoint`]: where and who; [`dial`] opens the stream (by [`race`]), [`login`] has us let in, [`open`]
//!   makes the connection on it.
//! - [`lane`]: what callers use: a queue of commands in front of one connection.
//! - [`link`]: the lanes to one server while it is up.
//! - [`supervisor`]: the state machine that keeps a link, for ever.

pub mod backoff;
pub mod dial;
pub mod endpoint;
mod ghosts;
pub mod lane;
pub mod link;
pub mod login;
pub mod open;
mod race;
pub mod seeds;
pub mod supervisor;
mod tls;
