//! Removes many entries in steps, between which other tasks run.

use tokio::task::yield_now;

use super::MemoryStore;
use super::entry::{Look, MemoryEntry};
use super::steps::Pass;
use crate::store::Key;

/// The work of one step, in bytes of keys, and the equivalent of an entry and of a removal: some
/// hundreds of µs.
pub(super) const STEP_BYTES: usize = 256 * 1024;
pub(super) const LOOK_BYTES: usize = 32;
const REMOVE_BYTES: usize = 256;

impl MemoryStore {
    /// Removes existing entries that should go. Returns how many of them were alive. `cost`: of
    /// looking at a key, in bytes.
    pub(super) async fn remove_in_steps(
        &self,
        cost: impl Fn(&Key) -> usize,
        goes: impl Fn(&Key, &MemoryEntry) -> bool,
    ) -> u64 {
        let pass = self.passes.begin().await;
        let mut removed = 0;
        loop {
            let (more, is_done) = self.remove_some(&pass, &cost, &goes);
            removed += more;
            if is_done {
                return removed;
            }
            yield_now().await;
        }
    }

    fn remove_some(
        &self,
        pass: &Pass<'_>,
        cost: impl Fn(&Key) -> usize,
        goes: impl Fn(&Key, &MemoryEntry) -> bool,
    ) -> (u64, bool) {
        let (mut cache, now) = (self.lock(), self.clock.now_ms());
        let mut hits = Vec::new();
        let (mut left, mut is_done) = (STEP_BYTES, true);
        for (key, entry) in cache.iter() {
            let Look { number, looked } = &entry.look;
            if !pass.is_next(*number, looked.get()) {
                continue;
            }
            if left == 0 {
                is_done = false;
                break;
            }
            looked.set(pass.number());
            left = left.saturating_sub(cost(key));
            if goes(key, entry) {
                left = left.saturating_sub(REMOVE_BYTES + key.as_bytes().len());
                hits.push((key.clone(), entry.is_alive(now)));
            }
        }
        for (key, _) in &hits {
            self.drop_from(&mut cache, key);
        }
        let alive = hits.iter().filter(|(_, is_alive)| *is_alive);
        (alive.count() as u64, is_done)
    }
}
