//! What is counted, from the moment that a backplane is made. [`super::metrics`] tells it.

pub mod cache_stats;
pub mod call_stats;
pub mod pubsub_stats;
