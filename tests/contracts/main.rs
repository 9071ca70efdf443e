//! What the two implementations of a trait both promise, tested on both, on a redis-server that
//! the tests start.

mod bus;
mod limits;
mod store;
mod support;
