//! What a panic prints: its location, once per location. The message of a panic may contain a key
//! or a value.

use std::collections::HashSet;
use std::io::{self, Write};
use std::panic;
use std::sync::Once;

use crate::mutex::Mutex;

/// Further locations are not printed.
const MOST_PLACES: usize = 64;

/// Takes effect from now on. The addon has its own copy of Rust's standard library, and so its own
/// hook: panics of other addons do not come here.
pub fn print_places() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let places = Places::default();
        panic::set_hook(Box::new(move |panic| {
            let Some(place) = panic.location() else {
                return;
            };
            if places.is_new(&place.to_string()) {
                // Printing with a macro would panic if there is no stderr.
                let _ = writeln!(io::stderr(), "redis-backplane: a bug at {place}");
            }
        }));
    });
}

#[derive(Default)]
struct Places(Mutex<HashSet<String>>);

impl Places {
    fn is_new(&self, place: &str) -> bool {
        let mut places = self.0.lock();
        places.len() < MOST_PLACES && places.insert(place.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_new_once_and_only_so_many_are() {
        let places = Places::default();
        assert!(places.is_new("a.rs:1:2") && places.is_new("a.rs:2:2"));
        assert!(!places.is_new("a.rs:1:2"));
        let more = (3..1000).filter(|line| places.is_new(&format!("a.rs:{line}:2")));
        assert_eq!(more.count(), MOST_PLACES - 2);
    }
}
