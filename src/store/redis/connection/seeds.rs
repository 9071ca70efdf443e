//! The possible hosts of one server. They are tried in turn; all connections go to the one whose
//! turn it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// A name or an address.
    pub name: String,
    pub port: u16,
}

#[derive(Clone, Debug)]
pub struct Seeds {
    hosts: Arc<[Host]>,
    turn: Arc<SeedTurn>,
}

#[derive(Debug, Default)]
struct SeedTurn {
    current: AtomicUsize,
    /// Of this round.
    failed: AtomicUsize,
}

impl Seeds {
    /// At least one.
    pub fn new(hosts: Vec<Host>) -> Self {
        Self {
            hosts: hosts.into(),
            turn: Arc::default(),
        }
    }

    pub fn current(&self) -> &Host {
        &self.hosts[self.turn.current.load(Ordering::Relaxed) % self.hosts.len()]
    }

    /// Whether the round has others that have not been tried.
    pub fn has_another(&self) -> bool {
        self.turn.failed.load(Ordering::Relaxed) + 1 < self.hosts.len()
    }

    /// The current one does not serve: it is the turn of the next. Returns whether that still
    /// belongs to this round.
    pub fn pass_on(&self) -> bool {
        let has_another = self.has_another();
        self.turn.current.fetch_add(1, Ordering::Relaxed);
        if has_another {
            self.turn.failed.fetch_add(1, Ordering::Relaxed);
        } else {
            self.begin_round();
        }
        has_another
    }

    pub fn begin_round(&self) {
        self.turn.failed.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeds(names: &[&str]) -> Seeds {
        let host = |name: &&str| Host {
            name: (*name).into(),
            port: 1,
        };
        Seeds::new(names.iter().map(host).collect())
    }

    #[test]
    fn each_has_its_turn_in_a_round() {
        let seeds = seeds(&["a", "b", "c"]);
        for _ in 0..2 {
            assert_eq!(seeds.current().name, "a");
            assert!(seeds.pass_on());
            assert_eq!(seeds.current().name, "b");
            assert!(seeds.pass_on());
            assert!(!seeds.has_another());
            assert!(!seeds.pass_on());
        }
    }

    #[test]
    fn a_round_begins_anew_with_the_one_that_served() {
        let seeds = seeds(&["a", "b"]);
        assert!(seeds.pass_on());
        seeds.begin_round();
        assert_eq!(seeds.current().name, "b");
        assert!(seeds.pass_on());
        assert_eq!(seeds.current().name, "a");
        assert!(!seeds.pass_on());
    }

    #[test]
    fn one_is_a_round() {
        let seeds = seeds(&["a"]);
        assert!(!seeds.has_another());
        assert!(!seeds.pass_on());
        assert_eq!(seeds.current().name, "a");
    }
}
