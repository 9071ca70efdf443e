//! The only place that knows Node: what crosses between JavaScript and the I/O thread, and how.
//!
//! Calls cross as one submission a tick, answers as one page a turn of the I/O thread; both are
//! flat memory, so that a call costs no promise, no reference and no string on the way.
//!
//! - [`queue`]: the object that JavaScript holds, one for each environment.
//! - [`submission`], [`op`] and [`call`]: what comes in; [`dispatch`] calls the backplane; [`answers`].
//! - [`outbox`] and [`page`]: what goes out, in buffers of the [`pool`]; [`carrier`] takes it to JavaScript.
//! - [`options`]: the configuration of a backplane; [`metrics`]: what it has counted; [`panics`]: what bugs print.

mod answers;
mod call;
mod carrier;
mod dispatch;
mod metrics;
mod op;
mod options;
mod outbox;
mod page;
mod panics;
mod pool;
mod queue;
mod submission;
