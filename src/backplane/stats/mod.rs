//! The counters, from the creation of a backplane. [`super::metrics`] reports them.

pub mod cache_stats;
pub mod call_stats;
pub mod pubsub_stats;
