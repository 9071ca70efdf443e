//! Rate limits: counted on Redis, and in this process while Redis is unavailable.

use std::time::Instant;

use super::Backplane;
use super::routing::AtMostOnce;
use super::stats::call_stats::answered_here;
use crate::store::Key;
use crate::store::rate_limits::{Algorithm, Rule, Verdict};
use crate::store::remote::Remote;

pub(super) const SPACE: &[u8] = b"limit:";
const ALGORITHMS: [Algorithm; 3] = [
    Algorithm::FixedWindow,
    Algorithm::SlidingWindow,
    Algorithm::TokenBucket,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Redis,
    Memory,
}

impl<R: Remote> Backplane<R> {
    /// Counts a request at most once. A request whose answer from Redis was lost is decided by this
    /// process's own count.
    pub async fn limit_check(&self, name: &[u8], rule: Rule, cost: u64) -> (Verdict, Source) {
        let key = &self.limit_key(rule.algorithm, name);
        let checked = self
            .on_remote_once(|store| async move { store.check(key, rule, cost).await })
            .await;
        let (verdict, source) = match checked {
            AtMostOnce::Answered(Ok(verdict)) => (verdict, Source::Redis),
            _ => {
                answered_here();
                (self.limiter.check_now(key, rule, cost), Source::Memory)
            }
        };
        self.feature_stats.limits.judged(verdict.allowed);
        (verdict, source)
    }

    /// Resets the count of `name`, for every algorithm.
    pub async fn limit_reset(&self, name: &[u8]) {
        let keys = &ALGORITHMS.map(|algorithm| self.limit_key(algorithm, name));
        let reset = self.tell_remote(Instant::now(), |store| async move {
            store.delete_all(keys).await
        });
        let is_unavailable = reset.await.is_none();
        for key in keys {
            self.limiter.forget(key);
            if is_unavailable {
                self.resets.add_key(key);
            }
        }
    }

    fn limit_key(&self, algorithm: Algorithm, name: &[u8]) -> Key {
        let space: &[u8] = match algorithm {
            Algorithm::FixedWindow => b"limit:fixed:",
            Algorithm::SlidingWindow => b"limit:sliding:",
            Algorithm::TokenBucket => b"limit:bucket:",
        };
        self.key(space, name)
    }
}
