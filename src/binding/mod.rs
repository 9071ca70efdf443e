//! The only place that knows Node: what crosses between JavaScript and the I/O thread, and how.
//!
//! Calls cross as one submission a tick, answers as one completion a turn of the I/O thread; both are
//! flat memory, so that a call costs no promise, no reference and no string on the way.
//!
//! - [`queue`]: the object that JavaScript holds, one for each environment.
//! - [`operations`]: what JavaScript can ask for, and what is done then.
//! - [`submission`] and [`decode`]: what comes in; [`dispatch`] and [`incoming_call`] call the backplane; [`encode`].
//! - [`completion_queue`] and [`completion`]: what goes out, in buffers of the [`buffer_pool`]; [`carrier`] takes it to JavaScript.
//! - [`options`]: the configuration of a backplane; [`metrics`]: what it has counted; [`panics`]: what bugs print.

mod buffer_pool;
mod carrier;
mod completion;
mod completion_queue;
mod counted;
mod decode;
mod define_operations;
mod dispatch;
mod encode;
mod incoming_call;
mod metrics;
mod operations;
mod options;
mod panics;
mod queue;
mod submission;

/// A backplane on Redis.
type Backplane = crate::backplane::Backplane<crate::store::redis::RedisStore>;
