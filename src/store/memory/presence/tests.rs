//! That what concerns many sockets is done in steps, and that what is called between them sees what is so.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::measure::{MOST_FREED, freed, step_by_step, until_quiet};
use crate::store::memory::budget::{Budget, MemoryKind};

const MANY: usize = 20_000;
const STEPS: usize = MANY / AT_ONCE;
const TTL: Ttl = Ttl::from_whole_millis(60_000);
const LOBBY: Place<'_> = Place::Room("lobby");

struct World {
    roster: MemoryRoster,
    clock: Clock,
    told: Arc<AtomicUsize>,
}

fn world() -> World {
    let (clock, told) = (Clock::manual(), Arc::new(AtomicUsize::new(0)));
    let counter = told.clone();
    let on_room_event: OnRoomEvent = Box::new(move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let account = Budget::new(1 << 30).account(MemoryKind::Presence);
    World {
        roster: MemoryRoster::new(account, clock.clone(), on_room_event),
        clock,
        told,
    }
}

impl World {
    fn keep(&self, at: usize, doubt: Doubt) {
        let standing = Standing {
            order: self.roster.order(),
            version: 1,
            ttl: Some(TTL),
            doubt,
        };
        assert!(self.roster.keep(socket(at), standing));
    }

    fn in_doubt(&self) -> usize {
        let parts = (0..).map_while(|part| self.roster.in_doubt(part));
        parts.map(|some| some.len()).sum()
    }
}

fn id(at: usize) -> String {
    format!("{at:020}")
}

fn socket(at: usize) -> Arc<Socket> {
    let metadata = br#"{"roomId":"lobby"}"#;
    Arc::new(Socket::new(&format!("user{at}"), &id(at), metadata))
}

/// As the server tells it.
fn told(at: usize) -> Present {
    Present {
        user: format!("user{at}").into(),
        socket: id(at).into(),
        lease: None,
        record: None,
    }
}

#[tokio::test]
async fn all_are_in_doubt_at_once_but_those_that_are_heard_of_since() {
    let world = world();
    (0..MANY).for_each(|at| world.keep(at, Doubt::None));
    assert_eq!((world.roster.is_in_doubt(), world.in_doubt()), (false, 0));
    world.roster.doubt_all();
    assert_eq!((world.roster.is_in_doubt(), world.in_doubt()), (true, MANY));
    let first = world.roster.get(&id(0)).unwrap();
    assert_eq!(first.doubt, Doubt::Lost);
    world.roster.heard(&first, 2, Doubt::None);
    world.keep(1, Doubt::None);
    world.keep(MANY, Doubt::None);
    world.roster.remove_now("user2", &id(2));
    assert_eq!(world.in_doubt(), MANY - 3);
    let (certain, most) = step_by_step(world.roster.certain(), || ()).await;
    assert_eq!(certain.len(), 3);
    assert!(most <= MOST_FREED, "{most}");
    for at in 3..MANY {
        let kept = world.roster.get(&id(at)).unwrap();
        world.roster.heard(&kept, 2, Doubt::None);
    }
    assert_eq!((world.roster.is_in_doubt(), world.in_doubt()), (false, 0));
}

#[tokio::test]
async fn what_the_server_says_of_a_large_room_is_put_right_in_steps() {
    let world = world();
    for at in 0..MANY {
        world.keep(
            at,
            if at % 2 == 0 {
                Doubt::None
            } else {
                Doubt::Lost
            },
        );
    }
    let asked = world.roster.order();
    // The server has lost what is in doubt, and has some of another process.
    let there = (0..MANY + 10).filter(|at| at % 2 == 0 || *at >= MANY);
    let there: Vec<Present> = there.map(told).collect();
    let (mut steps, right) = (0, world.roster.correct(LOBBY, Detail::Ids, asked, there));
    let between = || {
        // Some are heard of, and some are removed, while it is put right.
        let at = steps * 500 % MANY;
        world.keep(at, Doubt::None);
        world
            .roster
            .remove_now(&format!("user{}", at + 1), &id(at + 1));
        steps += 1;
    };
    let (right, most) = step_by_step(right, between).await;
    assert!(steps >= STEPS && most <= MOST_FREED, "{steps} {most}");
    let ids: HashSet<&str> = right.iter().map(|present| &*present.socket).collect();
    assert_eq!(ids.len(), right.len(), "each once");
    for at in (0..MANY).filter(|at| at % 2 == 0 || world.roster.get(&id(*at)).is_some()) {
        assert!(ids.contains(&*id(at)), "{at}");
    }
    assert!((0..10).all(|more| ids.contains(&*id(MANY + more))));
}

#[tokio::test]
async fn nothing_is_looked_at_when_the_server_is_right() {
    let world = world();
    (0..MANY).for_each(|at| world.keep(at, Doubt::None));
    let asked = world.roster.order();
    let there: Vec<Present> = (0..MANY).map(told).collect();
    let correct = world.roster.correct(LOBBY, Detail::Ids, asked, there);
    let steps = Cell::new(0);
    let (right, _) = step_by_step(correct, || steps.set(steps.get() + 1)).await;
    assert_eq!((right.len(), steps.get()), (MANY, 1));
}

#[tokio::test]
async fn those_that_a_server_has_lost_are_found_in_steps() {
    let world = world();
    (0..MANY).for_each(|at| world.keep(at, Doubt::None));
    let asked = world.roster.order();
    let there: Vec<Present> = (10..MANY).map(told).collect();
    let mut steps = 0;
    let between = || {
        // Set since it was asked: the server may have it.
        world.keep(0, Doubt::None);
        world.keep(MANY + steps, Doubt::None);
        steps += 1;
    };
    let missing = world.roster.missing(LOBBY, asked, &there);
    let (missing, most) = step_by_step(missing, between).await;
    assert!(steps >= 2 * STEPS && most <= MOST_FREED, "{steps} {most}");
    let mut ids: Vec<&str> = missing.iter().map(|kept| &*kept.socket.id).collect();
    ids.sort_unstable();
    let expected: Vec<String> = (1..10).map(id).collect();
    assert_eq!(ids, expected);
}

#[tokio::test]
async fn those_whose_time_has_passed_leave_in_steps_and_once() {
    let world = world();
    (0..MANY).for_each(|at| world.keep(at, Doubt::None));
    world.clock.advance(TTL.as_millis());
    let (mut steps, mut most_told) = (0, 0);
    let between = || {
        // Set again before its turn, or after it has left.
        if steps < 10 {
            world.keep(steps, Doubt::None);
        }
        most_told = most_told.max(world.told.swap(0, Ordering::Relaxed));
        steps += 1;
    };
    let ((), most) = step_by_step(world.roster.sweep(true), between).await;
    assert!(
        most_told <= AT_ONCE && most <= MOST_FREED,
        "{most_told} {most}"
    );
    assert_eq!(world.roster.len(), 10);
    let here = world.roster.list_in_steps(LOBBY, Detail::Ids).await;
    assert_eq!(here.len(), 10);
}

#[tokio::test]
async fn what_is_cleared_is_freed_in_steps() {
    let world = world();
    (0..MANY).for_each(|at| world.keep(at, Doubt::None));
    let before = freed();
    world.roster.clear();
    assert!(freed() - before <= AT_ONCE, "{}", freed() - before);
    assert!(world.roster.is_empty());
    world.keep(1, Doubt::None);
    let most = until_quiet().await;
    assert!(most <= MOST_FREED, "{most}");
    assert_eq!(
        world.roster.list_in_steps(LOBBY, Detail::Ids).await.len(),
        1
    );
}
