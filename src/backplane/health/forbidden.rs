//! What the server has refused to this user: commands that an access rule forbids, or that are
//! renamed or unknown. Each is logged once, counted, and named by `health()`.

use std::collections::BTreeMap;

use std::time::{Duration, Instant, SystemTime};

use crate::mutex::{Mutex, MutexGuard};

/// A refusal older than this may no longer apply.
const NAMED_FOR: Duration = Duration::from_secs(600);
/// The names come from a server; a server that invents names must not fill the memory.
const MOST: usize = 64;

#[derive(Default)]
pub struct ForbiddenCommands(Mutex<BTreeMap<String, RefusedCommand>>);

struct RefusedCommand {
    times: u64,
    since: SystemTime,
    last: Instant,
}

impl ForbiddenCommands {
    /// Returns whether it is new.
    pub fn note(&self, what: &str) -> bool {
        let mut all = self.all();
        let last = Instant::now();
        if let Some(known) = all.get_mut(what) {
            known.times += 1;
            known.last = last;
            return false;
        }
        let is_kept = all.len() < MOST;
        if is_kept {
            let since = SystemTime::now();
            let refused = RefusedCommand {
                times: 1,
                since,
                last,
            };
            all.insert(what.to_owned(), refused);
        }
        is_kept
    }

    /// The current refusals, and since when there have been any.
    pub fn recent(&self) -> (Vec<String>, Option<SystemTime>) {
        let all = self.all();
        let recent = || all.iter().filter(|(_, it)| it.last.elapsed() < NAMED_FOR);
        let since = recent().map(|(_, refused)| refused.since).min();
        (recent().map(|(what, _)| what.clone()).collect(), since)
    }

    /// How often each was refused since the backplane was created.
    pub fn counts(&self) -> Vec<(String, u64)> {
        let all = self.all();
        all.iter()
            .map(|(what, refused)| (what.clone(), refused.times))
            .collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, RefusedCommand>> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_news_once_and_counted() {
        let forbidden = ForbiddenCommands::default();
        assert!(forbidden.note("EVAL"));
        assert!(!forbidden.note("EVAL"));
        assert!(forbidden.note("SCAN"));
        assert_eq!(forbidden.recent().0, ["EVAL", "SCAN"]);
        let counts = [("EVAL".to_owned(), 2), ("SCAN".to_owned(), 1)];
        assert_eq!(forbidden.counts(), counts);
    }

    #[test]
    fn names_that_never_end_are_not_kept() {
        let forbidden = ForbiddenCommands::default();
        let news = (0..1000).filter(|i| forbidden.note(&i.to_string()));
        assert_eq!(news.count(), MOST);
        assert_eq!(forbidden.recent().0.len(), MOST);
    }
}
