//! What every limiter promises, in a time that the test moves. The same steps run on both.

use crate::support::OnRedis;
use redis_backplane::store::memory::Clock;
use redis_backplane::store::memory::budget::{Account, MemoryKind};
use redis_backplane::store::memory::rate_limits::MemoryLimiter;
use redis_backplane::store::rate_limits::{Algorithm, Limiter, Rule, Verdict};
use redis_backplane::store::{Key, RawCommands};

const ROLLING: [Algorithm; 2] = [Algorithm::SlidingWindow, Algorithm::TokenBucket];
const ALL: [Algorithm; 3] = [Algorithm::FixedWindow, ROLLING[0], ROLLING[1]];

/// Some time in 2026; every world begins there.
const BEGIN_MS: u64 = 1_790_000_000_000;

trait World {
    /// Those whose time can be moved.
    const ALGORITHMS: &'static [Algorithm];
    /// A check `at` so many ms after the beginning.
    async fn check(&self, at: u64, key: &Key, rule: Rule, cost: u64) -> Verdict;
}

struct InMemory(MemoryLimiter, Clock);

impl InMemory {
    async fn new() -> Self {
        let clock = Clock::manual();
        clock.advance(BEGIN_MS);
        Self(
            MemoryLimiter::new(Account::alone(MemoryKind::Limits, 1 << 20), clock.clone()),
            clock,
        )
    }
}

impl World for InMemory {
    const ALGORITHMS: &'static [Algorithm] = &ALL;

    async fn check(&self, at: u64, key: &Key, rule: Rule, cost: u64) -> Verdict {
        self.1.advance(BEGIN_MS + at - self.1.now_ms());
        self.0.check(key, rule, cost).await.unwrap()
    }
}

/// A fixed window on Redis is the life of a key, by the server's time alone.
impl World for OnRedis {
    const ALGORITHMS: &'static [Algorithm] = &ROLLING;

    async fn check(&self, at: u64, key: &Key, rule: Rule, cost: u64) -> Verdict {
        let algorithm = match rule.algorithm {
            Algorithm::FixedWindow => unreachable!("its time is the server's"),
            Algorithm::SlidingWindow => "S",
            Algorithm::TokenBucket => "T",
        };
        let (store, now) = (&self.connected.store, Some(BEGIN_MS + at));
        let checked = store.check_rolling(key, algorithm, rule, cost, now).await;
        checked.unwrap()
    }
}

contract!(
    a_sliding_window_forgets_little_by_little,
    a_bucket_fills_up_evenly,
    a_denied_request_changes_nothing,
    a_cost_above_the_limit_is_denied_for_a_window,
    agrees_with_a_model_over_random_steps,
);

fn rule(algorithm: Algorithm, limit: u64, window_ms: u64) -> Rule {
    Rule {
        algorithm,
        limit,
        window_ms,
    }
}

fn key(name: &str) -> Key {
    Key::new(&[name.as_bytes()])
}

#[tokio::test]
async fn a_window_opens_with_the_first_request_and_ends_under_traffic() {
    let world = &InMemory::new().await;
    let (key, rule) = (key("a"), rule(Algorithm::FixedWindow, 2, 1000));
    for at in (300..1300).step_by(100) {
        let verdict = world.check(at, &key, rule, 1).await;
        assert_eq!(verdict.allowed, at <= 400, "{at}");
        assert_eq!(verdict.reset_at_ms, BEGIN_MS + 1300);
        let wait = if verdict.allowed { 0 } else { 1300 - at };
        assert_eq!(verdict.retry_after_ms, wait);
    }
    let verdict = world.check(1300, &key, rule, 1).await;
    assert_eq!(
        (verdict.allowed, verdict.count, verdict.remaining),
        (true, 1, 1)
    );
    assert_eq!(verdict.reset_at_ms, BEGIN_MS + 2300);
}

/// An hour, by which the server's clock is moved: forward it ends what was counted, back it neither
/// gives anything away nor makes anybody wait for an hour.
const MOVED_MS: u64 = 3_600_000;

#[tokio::test]
async fn a_server_clock_that_moves_ends_a_rolling_limit_or_lets_it_begin_again() {
    let world = &OnRedis::new().await;
    for (i, algorithm) in ROLLING.into_iter().enumerate() {
        let (key, rule) = (key(&format!("k{i}")), rule(algorithm, 3, 1000));
        for _ in 0..3 {
            assert!(world.check(MOVED_MS, &key, rule, 1).await.allowed);
        }
        let back = world.check(0, &key, rule, 1).await;
        assert!(!back.allowed, "{algorithm:?}");
        assert!(back.retry_after_ms <= 2 * rule.window_ms, "{back:?}");
        let promised = back.retry_after_ms;
        assert!(world.check(promised, &key, rule, 1).await.allowed);
        let forward = world.check(promised + MOVED_MS, &key, rule, 3).await;
        assert!(forward.allowed, "{algorithm:?}");
    }
}

#[tokio::test]
async fn a_server_clock_that_moves_ends_a_fixed_window_or_cuts_it_to_one_more() {
    let world = OnRedis::new().await;
    let store = &world.connected.store;
    let (key, rule) = (key("a"), rule(Algorithm::FixedWindow, 1, 60_000));
    // A key's end is a time of the server's clock: moving one is moving the other.
    let moved = async |left_ms: u64| {
        let left = left_ms.to_string();
        let words: [&[u8]; 3] = [b"PEXPIRE", key.as_bytes(), left.as_bytes()];
        store.call(&words).await.unwrap();
    };
    assert!(store.check(&key, rule, 1).await.unwrap().allowed);
    moved(rule.window_ms + MOVED_MS).await;
    let back = store.check(&key, rule, 1).await.unwrap();
    assert!(
        !back.allowed && back.retry_after_ms <= rule.window_ms + 1,
        "{back:?}"
    );
    let again = store.check(&key, rule, 1).await.unwrap();
    assert!(
        !again.allowed && again.retry_after_ms <= rule.window_ms + 1,
        "{again:?}"
    );
    moved(0).await;
    let forward = store.check(&key, rule, 1).await.unwrap();
    assert!(forward.allowed && forward.count == 1, "{forward:?}");
}

async fn a_sliding_window_forgets_little_by_little(world: &impl World) {
    let (key, rule) = (key("a"), rule(Algorithm::SlidingWindow, 10, 1000));
    for _ in 0..10 {
        assert!(world.check(0, &key, rule, 1).await.allowed);
    }
    let full = world.check(999, &key, rule, 1).await;
    assert_eq!(
        (full.allowed, full.remaining, full.retry_after_ms),
        (false, 0, 101)
    );
    // A tenth of the window before has gone.
    assert!(!world.check(1099, &key, rule, 1).await.allowed);
    assert!(world.check(1100, &key, rule, 1).await.allowed);
    assert!(!world.check(1100, &key, rule, 1).await.allowed);
    let later = world.check(1550, &key, rule, 1).await;
    assert_eq!((later.allowed, later.count, later.remaining), (true, 7, 3));
    assert_eq!(later.reset_at_ms, BEGIN_MS + 3000);
}

async fn a_bucket_fills_up_evenly(world: &impl World) {
    let (key, rule) = (key("a"), rule(Algorithm::TokenBucket, 3, 1000));
    for _ in 0..3 {
        assert!(world.check(0, &key, rule, 1).await.allowed);
    }
    let empty = world.check(0, &key, rule, 1).await;
    assert_eq!(
        (empty.allowed, empty.retry_after_ms, empty.reset_at_ms),
        (false, 334, BEGIN_MS + 1000)
    );
    assert!(!world.check(333, &key, rule, 1).await.allowed);
    assert!(world.check(334, &key, rule, 1).await.allowed);
    assert!(!world.check(334, &key, rule, 1).await.allowed);
    let full = world.check(5000, &key, rule, 3).await;
    assert_eq!((full.allowed, full.count, full.remaining), (true, 3, 0));
}

async fn a_denied_request_changes_nothing<W: World>(world: &W) {
    for (i, algorithm) in (0..).zip(W::ALGORITHMS.iter().copied()) {
        let (key, rule) = (key(&format!("{algorithm:?}")), rule(algorithm, 5, 1000));
        let begin = i * 10_000;
        assert!(world.check(begin, &key, rule, 3).await.allowed, "{rule:?}");
        for at in 1..100 {
            assert!(!world.check(begin + at, &key, rule, 4).await.allowed);
        }
        let verdict = world.check(begin + 100, &key, rule, 2).await;
        assert_eq!((verdict.allowed, verdict.remaining), (true, 0));
    }
}

async fn a_cost_above_the_limit_is_denied_for_a_window<W: World>(world: &W) {
    for algorithm in W::ALGORITHMS.iter().copied() {
        let verdict = world.check(0, &key("b"), rule(algorithm, 5, 1000), 6).await;
        let expected = (false, 0, 5, BEGIN_MS, 1000);
        let Verdict {
            allowed,
            count,
            remaining,
            reset_at_ms,
            retry_after_ms,
            ..
        } = verdict;
        assert_eq!(
            (allowed, count, remaining, reset_at_ms, retry_after_ms),
            expected
        );
    }
}

/// Every request that was allowed, each with its time and cost.
#[derive(Default)]
struct LimitModel {
    allowed: Vec<(u64, u64)>,
    /// Where the windows begin.
    windows: Vec<u64>,
}

impl LimitModel {
    fn allows(&mut self, at: u64, rule: Rule, cost: u64) -> bool {
        let (limit, window) = (u128::from(rule.limit), u128::from(rule.window_ms));
        let used = match rule.algorithm {
            Algorithm::FixedWindow => self.sum(self.window_of(at, rule), at) * window,
            Algorithm::SlidingWindow => {
                let begun = self.window_of(at, rule);
                let before = begun.saturating_sub(rule.window_ms);
                let left = window - u128::from(at - begun);
                self.sum(begun, at) * window + self.sum_before(before, begun) * left
            }
            Algorithm::TokenBucket => self.owed(at, rule),
        };
        let allowed = used + u128::from(cost) * window <= limit * window;
        if allowed {
            if rule.algorithm != Algorithm::TokenBucket {
                let begun = self.window_of(at, rule);
                self.windows.push(begun);
            }
            self.allowed.push((at, cost));
        }
        allowed
    }

    /// When the window began to which a request at `at` belongs.
    fn window_of(&self, at: u64, rule: Rule) -> u64 {
        let Some(&last) = self.windows.last() else {
            return at;
        };
        let passed = (at - last) / rule.window_ms;
        match (rule.algorithm, passed) {
            (_, 0) => last,
            (Algorithm::SlidingWindow, 1) => last + rule.window_ms,
            _ => at,
        }
    }

    fn sum(&self, from: u64, to: u64) -> u128 {
        let counted = self.allowed.iter().rev().take_while(|(at, _)| *at >= from);
        counted
            .filter(|(at, _)| *at <= to)
            .map(|(_, cost)| u128::from(*cost))
            .sum()
    }

    fn sum_before(&self, from: u64, until: u64) -> u128 {
        let counted = self.allowed.iter().rev().take_while(|(at, _)| *at >= from);
        counted
            .filter(|(at, _)| *at < until)
            .map(|(_, cost)| u128::from(*cost))
            .sum()
    }

    /// Tokens × ms that have not been filled up again.
    fn owed(&self, at: u64, rule: Rule) -> u128 {
        let mut owed = 0_u128;
        let mut last = self.allowed.first().map_or(at, |(first, _)| *first);
        for (then, cost) in &self.allowed {
            owed = owed.saturating_sub(u128::from(then - last) * u128::from(rule.limit));
            owed += u128::from(*cost) * u128::from(rule.window_ms);
            last = *then;
        }
        owed.saturating_sub(u128::from(at - last) * u128::from(rule.limit))
    }
}

async fn agrees_with_a_model_over_random_steps<W: World>(world: &W) {
    let mut random = fastrand::Rng::with_seed(20_261_123);
    let mut at = 0;
    for round in 0..340 {
        let algorithm = W::ALGORITHMS[round % W::ALGORITHMS.len()];
        let rule = rule(algorithm, random.u64(1..20), random.u64(10..5000));
        let (key, mut model) = (key(&format!("r{round}")), LimitModel::default());
        let mut promised: Option<(u64, u64)> = None;
        for step in 0..300 {
            at += match random.u8(0..10) {
                0 => random.u64(0..3 * rule.window_ms),
                _ => random.u64(0..=rule.window_ms / rule.limit),
            };
            let cost = random.u64(1..=rule.limit.min(3));
            // A promised moment is met to the millisecond: not before it, and then.
            if let Some((when, cost)) = promised.take()
                && when <= at
            {
                if when > 0 {
                    assert!(!model.would_allow(when - 1, rule, cost), "{rule:?} {step}");
                }
                at = when;
                let verdict = world.check(at, &key, rule, cost).await;
                assert!(
                    verdict.allowed && model.allows(at, rule, cost),
                    "{rule:?} {step}"
                );
                continue;
            }
            let verdict = world.check(at, &key, rule, cost).await;
            assert_eq!(
                verdict.allowed,
                model.allows(at, rule, cost),
                "{rule:?} {step}"
            );
            assert_eq!(verdict.allowed, verdict.retry_after_ms == 0);
            assert!(verdict.count <= rule.limit && verdict.remaining <= rule.limit);
            promised = (!verdict.allowed).then_some((at + verdict.retry_after_ms, cost));
        }
    }
}

impl LimitModel {
    /// Whether a request would be allowed, without making it.
    fn would_allow(&mut self, at: u64, rule: Rule, cost: u64) -> bool {
        let (allowed, windows) = (self.allowed.clone(), self.windows.clone());
        let would = self.allows(at, rule, cost);
        (self.allowed, self.windows) = (allowed, windows);
        would
    }
}
