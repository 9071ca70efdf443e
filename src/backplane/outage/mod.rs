//! The effects of an outage: what this process did meanwhile, and how that is handled when Redis is
//! back.

pub mod journal;
pub mod recovery;
