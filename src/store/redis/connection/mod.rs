//! Connections to one Redis server, over redis-rs' `MultiplexedConnection`.
//!
//! - [`endpoint`]: where and who; [`dial`] opens the stream (by [`race`]), [`login`] has us let in, [`open`]
//!   makes the connection on it.
//! - [`found`]: what stands there, and whether it answers what it is asked.
//! - [`lane`]: what callers use: a queue of commands in front of one connection.
//! - [`flow`]: what moves on a connection; [`pace`], how fast; [`patience`], what calls make of it.
//! - [`bulk`]: the second connection.
//! - [`link`]: the lanes to one server while it is up.
//! - [`supervisor`]: the state machine that keeps a link, for ever.

pub mod backoff;
mod bulk;
pub mod dial;
pub mod endpoint;
mod flow;
pub mod found;
mod ghosts;
pub mod lane;
pub mod link;
pub mod login;
pub mod open;
mod p521;
mod pace;
pub mod patience;
mod race;
pub mod seeds;
pub mod supervisor;
pub mod tls;
