//! What goes on when Redis goes away.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::*;
use crate::store::availability::Outage;

const TTL: Ttl = Ttl::from_whole_millis(60_000);

fn granted(locks: &Locks, handle: u64, on_redis: bool) -> Arc<LockLease> {
    let lease = Arc::new(LockLease {
        handle,
        name: handle.to_string().as_bytes().into(),
        token: locks.address.token(),
        is_named: false,
        term: Mutex::new(LeaseTerm::new(Instant::now(), TTL, on_redis)),
        asked: Default::default(),
        renewal: OnceLock::new(),
    });
    assert!(locks.leases.add(&lease));
    lease
}

#[test]
fn nobody_gets_what_redis_has_granted_and_not_all_is_copied_for_it() {
    let budget = Budget::new(1 << 30);
    let locks = Locks::new(WhenUnavailable::Local, b"", &budget, Arc::new(|_| ()));
    let leases: Vec<_> = (0..5000)
        .map(|handle| granted(&locks, handle, true))
        .collect();
    locks.follow(&Availability::<()>::Degraded(Outage {
        reason: String::new(),
        refusing: None,
    }));
    assert_eq!(budget.bytes(MemoryKind::Locks), 0);
    assert!(!locks.is_reconciled());
    let take = |lease: &LockLease| {
        locks.occupy_granted(&lease.name);
        let (keys, token) = (locks.keys(&lease.name), locks.address.token());
        locks.memory.take_now(&keys, token, TTL, QueueTurn::No, 0)
    };
    let is_denied = |taken| {
        matches!(
            taken,
            Taken::Denied {
                free_in: Some(_),
                ..
            }
        )
    };
    assert!(leases.iter().all(|lease| is_denied(take(lease))));
    let given = &leases[7];
    locks.leases.remove(given.handle);
    assert!(is_denied(take(given)), "until it is given back");
    assert!(locks.memory.give_now(&locks.keys(&given.name), given.token));
    assert!(matches!(take(given), Taken::Granted { .. }));
    assert!(is_denied(take(given)));
}
