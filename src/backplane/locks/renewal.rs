//! Extends leases: on request of their holders, and automatically.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::LockLease;
use crate::backplane::Backplane;
use crate::io_thread::panics::caught;
use crate::store::Ttl;
use crate::store::remote::Remote;

/// A lease is renewed when this fraction of it has passed.
const RENEW_AFTER: u32 = 3;
/// How soon a failed renewal is retried.
const RENEW_AGAIN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

impl<R: Remote> Backplane<R> {
    /// Makes a lease end after this time from now, where it is held. Returns whether it does.
    pub(super) async fn lock_extend_lease(&self, lease: &Arc<LockLease>, ttl: Ttl) -> bool {
        if lease.term().certain().is_zero() {
            return false;
        }
        let (number, keys) = (lease.ask(ttl), &self.locks.keys(&lease.name));
        let asked = self
            .on_remote(|store| async move {
                let since = Instant::now();
                let extended = store.extend(keys, lease.token, ttl).await?;
                Ok((extended, since))
            })
            .await;
        match asked {
            Some(Ok((true, since))) => lease.renew(number, since, ttl),
            Some(Ok((false, _))) => {
                self.locks.lose(lease);
                return false;
            }
            Some(Err(_)) => return false,
            None => {
                // Redis may be available to others: a lease that it granted ends when it ends
                // there.
                let here = &self.locks.memory;
                if lease.term().on_redis || !here.extend_now(keys, lease.token, ttl) {
                    return false;
                }
                lease.renew(number, Instant::now(), ttl);
            }
        }
        true
    }

    /// Renews a lease until it is released, or has ended nevertheless.
    pub(super) fn lock_renew(self: &Arc<Self>, handle: u64, ttl: Ttl) -> AbortHandle {
        let backplane = Arc::downgrade(self);
        let renewal = async move {
            let mut wait = ttl.as_duration() / RENEW_AFTER;
            loop {
                sleep(wait).await;
                let Some(backplane) = backplane.upgrade() else {
                    return;
                };
                let Some(lease) = backplane.locks.leases.get(handle) else {
                    return;
                };
                // One that panicked may or may not have been carried out: it is retried.
                wait = if caught(backplane.lock_extend_lease(&lease, ttl)).await == Ok(true) {
                    ttl.as_duration() / RENEW_AFTER
                } else {
                    (ttl.as_duration() / 10).clamp(RENEW_AGAIN.0, RENEW_AGAIN.1)
                };
                if lease.term().certain().is_zero() {
                    return;
                }
            }
        };
        tokio::spawn(renewal).abort_handle()
    }
}
