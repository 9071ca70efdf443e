//! What an outage leaves behind: what this process did meanwhile, and what is done about it when Redis is back.

pub mod journal;
pub mod recovery;
