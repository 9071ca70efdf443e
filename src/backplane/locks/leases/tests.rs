use super::*;
use crate::measure::{MOST_FREED, freed, is_counted, kept, long_names, short_names, step_by_step};
use crate::store::locks::ProcessAddress;
use crate::store::memory::budget::MemoryKind;

const MANY: u64 = 20_000;
const TTL: Ttl = Ttl::from_whole_millis(60_000);

fn lease(handle: u64, name: &str) -> Arc<LockLease> {
    lease_since(Instant::now(), handle, name)
}

fn ended(handle: u64) -> Arc<LockLease> {
    let since = Instant::now().checked_sub(TTL.as_duration());
    lease_since(since.expect("a later time"), handle, &handle.to_string())
}

fn lease_since(since: Instant, handle: u64, name: &str) -> Arc<LockLease> {
    Arc::new(LockLease {
        handle,
        name: name.as_bytes().into(),
        token: ProcessAddress::unique().token(),
        is_named: true,
        term: Mutex::new(LeaseTerm::new(since, TTL, true)),
        asked: AtomicU64::new(0),
        renewal: OnceLock::new(),
    })
}

#[test]
fn are_counted_as_they_are() {
    for (names, most_off) in [
        (long_names(300).collect::<Vec<_>>(), 0.1),
        (short_names(20_000).collect(), 0.34),
    ] {
        let account = Account::alone(MemoryKind::Leases, 1 << 30);
        let leases = LockLeases::new(account.clone());
        let taken = kept(|| {
            for (handle, name) in names.iter().enumerate() {
                assert!(leases.add(&lease(handle as u64, name)));
            }
        });
        is_counted(account.bytes(), taken, most_off);
        for name in &names {
            assert!(leases.remove_named(name.as_bytes()).is_some());
        }
        assert_eq!(account.bytes(), 0);
    }
}

#[test]
fn beyond_the_bound_none_is_added_and_none_forgotten() {
    let account = Account::alone(MemoryKind::Leases, 100_000);
    let leases = LockLeases::new(account.clone());
    let added = (0..1000).filter(|handle| leases.add(&lease(*handle, &handle.to_string())));
    let added: Vec<u64> = added.collect();
    assert!((10..1000).contains(&added.len()));
    assert!(added.iter().all(|handle| leases.get(*handle).is_some()));
    assert!(!account.is_over());
    leases.remove(added[0]);
    assert!(leases.add(&lease(2000, "another")));
}

fn many() -> (LockLeases, Account) {
    let account = Account::alone(MemoryKind::Leases, 1 << 30);
    let leases = LockLeases::new(account.clone());
    for handle in 0..MANY {
        let half = match handle % 2 {
            0 => lease(handle, &handle.to_string()),
            _ => ended(handle),
        };
        assert!(leases.add(&half));
    }
    (leases, account)
}

#[test]
fn all_are_in_doubt_at_once_and_looked_at_in_steps() {
    let (leases, _) = many();
    assert!(!leases.is_in_doubt());
    leases.doubt();
    let (doubts, mut confirmed, mut turn, mut after) = (leases.doubts(), 0, 0, None);
    loop {
        let (some, next) = leases.next_in_doubt(after);
        turn += 1;
        assert!(some.len() <= AT_ONCE, "{}", some.len());
        for lease in &some {
            assert!(leases.is_in_doubt());
            leases.confirm(lease, lease.latest(), doubts);
        }
        confirmed += some.len() as u64;
        if next.is_none() {
            break;
        }
        after = next;
        // Some are released, and some come to be held, meanwhile.
        leases.remove(MANY - 2 * turn);
        assert!(leases.add(&lease(MANY + turn, "late")));
    }
    assert!(turn >= MANY / AT_ONCE as u64, "{turn}");
    assert_eq!(confirmed, MANY / 2 - (turn - 1));
    assert!(!leases.is_in_doubt());
}

#[test]
fn what_was_asked_before_all_came_into_doubt_confirms_nothing() {
    let leases = LockLeases::new(Account::alone(MemoryKind::Leases, 1 << 30));
    let [one, other] = [1, 2].map(|handle| lease(handle, &handle.to_string()));
    assert!(leases.add(&one) && leases.add(&other));
    let doubts = leases.doubts();
    leases.doubt();
    leases.confirm(&one, one.latest(), doubts);
    let (again, _) = leases.next_in_doubt(None);
    assert_eq!(again.len(), 2);
    // Extended since.
    let latest = other.latest();
    other.ask(TTL);
    leases.confirm(&other, latest, leases.doubts());
    leases.confirm(&one, one.latest(), leases.doubts());
    let (again, _) = leases.next_in_doubt(None);
    assert_eq!((again.len(), again[0].handle), (1, 2));
    leases.remove(2);
    assert!(!leases.is_in_doubt());
}

#[tokio::test]
async fn those_that_have_ended_are_forgotten_in_steps() {
    let (leases, account) = many();
    let (before, mut steps) = (account.bytes(), 0);
    let ((), most) = step_by_step(leases.sweep(), || steps += 1).await;
    assert!(steps >= MANY as usize / AT_ONCE, "{steps}");
    assert!(most <= MOST_FREED, "{most}");
    assert_eq!(account.bytes(), before / 2);
    assert!((0..MANY).all(|handle| leases.get(handle).is_some() == (handle % 2 == 0)));
}

#[test]
fn at_the_bound_some_are_looked_at_for_those_that_have_ended() {
    let account = Account::alone(MemoryKind::Leases, 4_000_000);
    let leases = LockLeases::new(account.clone());
    let count = (0..)
        .take_while(|handle| leases.add(&ended(*handle)))
        .count() as u64;
    assert!(count > 2 * AT_ONCE as u64, "{count}");
    leases.table().swept -= 2 * SWEEP_AGAIN;
    let before = freed();
    assert!(leases.add(&lease(count, "a")));
    assert!(freed() - before <= MOST_FREED, "{}", freed() - before);
    assert!(leases.get(AT_ONCE as u64).is_some());
}

#[test]
fn what_redis_has_granted_is_found_by_its_name() {
    let leases = LockLeases::new(Account::alone(MemoryKind::Leases, 1 << 30));
    assert!(leases.add(&lease(1, "a")) && leases.add(&ended(2)));
    let granted = |name: &[u8]| leases.granted(name).map(|lease| lease.handle);
    assert_eq!(
        (granted(b"a"), granted(b"2"), granted(b"b")),
        (Some(1), None, None)
    );
    leases.get(1).expect("it was added").lock().on_redis = false;
    assert_eq!(granted(b"a"), None);
    assert!(leases.add(&lease(3, "a")));
    assert_eq!(granted(b"a"), Some(3));
    leases.remove(1);
    assert_eq!(granted(b"a"), Some(3));
    leases.remove(3);
    assert_eq!(granted(b"a"), None);
}
