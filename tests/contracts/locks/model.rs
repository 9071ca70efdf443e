//! Random steps, against a model.

use super::*;

/// One lock, as a list of what everybody knows about it.
#[derive(Default)]
struct LockModel {
    holder: Option<(Token, u64)>,
    /// In order of their places.
    queue: Vec<(u64, Token)>,
    calls: Vec<Wake>,
}

impl LockModel {
    fn at(&mut self, now: u64) {
        if self.holder.is_some_and(|(_, until)| until <= now) {
            self.holder = None;
        }
    }

    fn is_held_by(&self, token: Token) -> bool {
        self.holder.is_some_and(|(holder, _)| holder == token)
    }

    fn call_first(&mut self, ms: u64) {
        let first = self.queue.first();
        let call = first.map(|(_, token)| (*token, Duration::from_millis(ms)));
        self.calls.extend(call);
    }

    fn hand_over(&mut self, now: u64) {
        if !self.queue.is_empty() {
            self.call_first(0);
            let (_, next) = self.queue.remove(0);
            self.holder = Some((next, now + HANDOVER_MS));
            self.call_first(HANDOVER_MS);
        }
    }

    /// For how long the token is denied the lock; `None`: it has it.
    fn take(&mut self, now: u64, token: Token, lease: u64) -> Option<u64> {
        let is_first = self.queue.first().is_none_or(|(_, first)| *first == token);
        if self.holder.is_none() && !is_first {
            self.hand_over(now);
        }
        if let Some((_, until)) = self.holder.filter(|(holder, _)| *holder != token) {
            return Some(until - now);
        }
        self.queue.retain(|(_, waiting)| *waiting != token);
        self.holder = Some((token, now + lease));
        self.call_first(lease);
        None
    }

    fn wait(&mut self, place: u64, token: Token) {
        self.queue.push((place, token));
        self.queue.sort_by_key(|(place, _)| *place);
        self.queue.dedup();
    }

    fn extend(&mut self, now: u64, token: Token, lease: u64) -> bool {
        let is_holder = self.is_held_by(token);
        if is_holder {
            self.holder = Some((token, now + lease));
            self.call_first(lease);
        }
        is_holder
    }

    fn give(&mut self, now: u64, token: Token) -> bool {
        if self.is_held_by(token) {
            self.holder = None;
            self.hand_over(now);
            return true;
        }
        if self.queue.first().is_some_and(|(_, first)| *first == token) {
            self.queue.remove(0);
            self.call_first(self.holder.map_or(0, |(_, until)| until - now));
        }
        self.queue.retain(|(_, waiting)| *waiting != token);
        false
    }
}

#[tokio::test]
async fn agrees_with_a_model_over_random_steps() {
    const LOCKS: usize = 3;
    const TOKENS: usize = 5;
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let world = &InMemory::new().await;
        let tokens: [Token; TOKENS] = std::array::from_fn(|_| world.token());
        let names: [LockKeys; LOCKS] = std::array::from_fn(|i| keys(&i.to_string()));
        let mut models: [LockModel; LOCKS] = Default::default();
        let mut places = [[None; TOKENS]; LOCKS];
        let (mut last_place, mut last_fence) = (0, 0);
        let mut granted = 0;
        for step in 0..1000 {
            let (lock, who) = (random.usize(..LOCKS), random.usize(..TOKENS));
            let (model, token) = (&mut models[lock], tokens[who]);
            let caller = Caller::with(world, &names[lock], token);
            let lease = random.u64(1..3000);
            let now = world.clock.now_ms();
            model.at(now);
            match random.u8(0..10) {
                0..5 => {
                    let turn = match (random.bool(), places[lock][who]) {
                        (false, _) => QueueTurn::No,
                        (true, Some(place)) => QueueTurn::Place(place),
                        (true, None) => QueueTurn::New,
                    };
                    let known = last_fence + random.u64(0..5) * random.u64(0..2);
                    let known = if random.bool() { known } else { 0 };
                    let ttl = Ttl::from_whole_millis(lease);
                    let taken = caller.take_with(ttl, turn, known).await;
                    match (taken, model.take(now, token, lease)) {
                        (Taken::Granted { fence }, None) => {
                            assert!(fence > last_fence.max(known), "{seed} {step}");
                            last_fence = fence;
                            places[lock][who] = None;
                            granted += 1;
                        }
                        (Taken::Denied { free_in, place }, Some(ms)) => {
                            assert_eq!(free_in, Some(Duration::from_millis(ms)), "{seed} {step}");
                            match turn {
                                QueueTurn::No => assert_eq!(place, 0),
                                QueueTurn::New => assert!(place > last_place),
                                QueueTurn::Place(mine) => assert_eq!(place, mine),
                            }
                            if place > 0 {
                                last_place = last_place.max(place);
                                places[lock][who] = Some(place);
                                model.wait(place, token);
                            }
                        }
                        other => panic!("{other:?} at {seed} {step}"),
                    }
                }
                5 => {
                    let extended = caller.extends(lease).await;
                    assert_eq!(extended, model.extend(now, token, lease), "{seed} {step}");
                }
                6 | 7 => {
                    assert_eq!(
                        caller.gives().await,
                        model.give(now, token),
                        "{seed} {step}"
                    );
                    // Some come back later, and some as if they were new.
                    if random.bool() {
                        places[lock][who] = None;
                    }
                }
                8 => world.clock.advance(random.u64(0..1500)),
                _ => world.locks.sweep().await,
            }
            assert_eq!(world.called(), mem::take(&mut model.calls), "{seed} {step}");
        }
        assert!(
            granted > 100,
            "{granted} of {seed}: hardly anything was tested"
        );
    }
}

/// Waiters that do nothing but what they are told to, and some of which die: the lock is never free
/// while one of them waits.
#[tokio::test]
async fn whoever_comes_when_called_never_waits_in_vain() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let world = &InMemory::new().await;
        let keys = keys("a");
        // When each of them looks next, and its place.
        let mut waiting: Vec<(Caller<InMemory>, u64, QueueTurn)> = Vec::new();
        let mut holder: Option<(Caller<InMemory>, u64)> = None;
        let mut alive = 0;
        let mut served = Vec::new();
        for _ in 0..100 {
            let now = world.clock.now_ms();
            waiting.push((Caller::new(world, &keys), now, QueueTurn::New));
        }
        while let Some(next) = next_look(&waiting, holder.as_ref()) {
            let now = world.clock.now_ms();
            assert!(next < now + 2 * LEASE_MS, "nobody looks for a long time");
            world.clock.advance(next.saturating_sub(now));
            let now = world.clock.now_ms();
            if let Some((done, _)) = holder.take_if(|(_, ends)| *ends <= now) {
                assert!(done.gives().await);
            } else if let Some(at) = waiting.iter().position(|(_, look, _)| *look <= now) {
                match waiting[at].0.take(waiting[at].2).await {
                    Taken::Granted { .. } => {
                        let (caller, ..) = waiting.remove(at);
                        served.push(caller.token);
                        alive += 1;
                        // One in three is killed with the lock in its hands.
                        holder = (random.u8(0..3) > 0).then_some((caller, now + 500));
                    }
                    Taken::Denied { free_in, place } => {
                        let ms = free_in.unwrap().as_millis() as u64;
                        assert!(ms > 0, "nobody is denied a lock that is free now");
                        waiting[at].1 = now + ms;
                        waiting[at].2 = QueueTurn::Place(place);
                    }
                }
            }
            // One in ten of those who are called is dead, or has had enough, which it says.
            for (token, after) in world.called() {
                let at = waiting
                    .iter()
                    .position(|(caller, ..)| caller.token == token);
                let Some(at) = at else { continue };
                waiting[at].1 = now + after.as_millis() as u64;
                match random.u8(0..20) {
                    0 => drop(waiting.remove(at)),
                    1 => {
                        let (caller, ..) = waiting.remove(at);
                        caller.gives().await;
                    }
                    _ => {}
                }
            }
        }
        assert!(waiting.is_empty() && alive > 50, "{seed}: {alive}");
        let once: HashSet<_> = served.iter().collect();
        assert_eq!(once.len(), served.len());
    }
}

fn next_look<W>(
    waiting: &[(Caller<W>, u64, QueueTurn)],
    holder: Option<&(Caller<W>, u64)>,
) -> Option<u64> {
    let looks = waiting.iter().map(|(_, look, _)| *look);
    looks.chain(holder.map(|(_, ends)| *ends)).min()
}
