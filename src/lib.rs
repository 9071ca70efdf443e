//! redis-backplane: everything a Node.js server uses Redis for, as one native addon.
//!
//! The map of the crate, top to bottom; a module uses only what is below it:
//!
//! - [`binding`] knows Node: two queues carry calls in and answers out, a batch at a time.
//! - [`backplane`] knows what a call means, and what it means while Redis is unavailable.
//! - [`store`] knows how to carry it out: the [`store::Store`] trait, once on Redis
//!   ([`store::redis`]) and once in this process ([`store::memory`]); the [`store::Bus`] likewise.
//! - [`io_thread`] is the one thread on which all of that runs.

#[cfg(not(test))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: measure::Counting = measure::Counting;

pub mod backplane;
pub mod binding;
pub mod io_thread;
#[cfg(test)]
mod measure;
pub mod mutex;
pub mod store;
