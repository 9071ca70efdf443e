//! This process's own life, and what is known of those of others.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::store::Result;
use crate::store::presence::{Life, Lives, Present};

/// How old what is known of others may be.
const FRESH: Duration = Duration::from_secs(1);
/// Beyond, those that have ended are found out again.
const MOST_ENDED: usize = 10_000;

/// The life in which this process sets its sockets. One that has ended is followed by another.
pub struct Pulse(Mutex<Current>);

#[derive(Clone, Copy)]
struct Current {
    life: Life,
    has_begun: bool,
}

impl Current {
    fn new() -> Self {
        Self {
            life: Life::unique(),
            has_begun: false,
        }
    }
}

impl Default for Pulse {
    fn default() -> Self {
        Self(Mutex::new(Current::new()))
    }
}

impl Pulse {
    /// The life, which the store has heard of.
    pub async fn life<L: Lives>(&self, store: &L) -> Result<Life> {
        let current = *self.current();
        if !current.has_begun {
            store.beat(current.life, true).await?;
            self.begun(current.life);
        }
        Ok(current.life)
    }

    /// Has the life go on; `false`: it had ended, and another has begun.
    pub async fn beat<L: Lives>(&self, store: &L) -> Result<bool> {
        let life = self.life(store).await?;
        if store.beat(life, false).await? {
            return Ok(true);
        }
        *self.current() = Current::new();
        self.life(store).await?;
        Ok(false)
    }

    fn begun(&self, life: Life) {
        let mut current = self.current();
        current.has_begun |= current.life == life;
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which lives go on, as of a moment ago.
#[derive(Default)]
pub struct KnownLives(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// When each was last heard of, ms since 1970.
    alive: HashMap<Life, u64>,
    /// For ever.
    ended: HashSet<Life>,
    asked: Option<Instant>,
}

impl KnownLives {
    /// Finds out which of the lives go on that sockets depend on.
    pub async fn look<L: Lives>(&self, store: &L, present: &[Present]) -> Result<()> {
        if self.has_to_ask(present) {
            let asked = Instant::now();
            let alive = store.lives().await?;
            let mut known = self.known();
            if known.ended.len() > MOST_ENDED {
                known.ended.clear();
            }
            let ended = lives(present).filter(|life| !alive.contains_key(life));
            known.ended.extend(ended);
            known.alive = alive;
            known.asked = Some(asked);
        }
        Ok(())
    }

    /// Asks again, if there is anything to ask for; whether a life that was known has ended.
    pub async fn look_again<L: Lives>(&self, store: &L) -> Result<bool> {
        if self.known().alive.is_empty() {
            return Ok(false);
        }
        let asked = Instant::now();
        let alive = store.lives().await?;
        let mut known = self.known();
        let has_ended = known.alive.keys().any(|life| !alive.contains_key(life));
        known.alive = alive;
        known.asked = Some(asked);
        Ok(has_ended)
    }

    /// Whether a socket is there, as far as its life is concerned.
    pub fn is_alive(&self, life: Option<Life>) -> bool {
        life.is_none_or(|life| self.known().alive.contains_key(&life))
    }

    pub fn last_beat(&self, life: Life) -> Option<u64> {
        self.known().alive.get(&life).copied()
    }

    fn has_to_ask(&self, present: &[Present]) -> bool {
        let known = self.known();
        let is_fresh = known.asked.is_some_and(|asked| asked.elapsed() < FRESH);
        let mut needed = lives(present).filter(|life| !known.ended.contains(life));
        match is_fresh {
            true => needed.any(|life| !known.alive.contains_key(&life)),
            false => needed.next().is_some(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lives(present: &[Present]) -> impl Iterator<Item = Life> {
    present.iter().filter_map(|present| present.life)
}
