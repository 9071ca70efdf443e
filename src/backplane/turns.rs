//! Keeps calls in the order in which they were made, across a change of where they go.
//!
//! While Redis is ready, calls go there at once, and stay in order by themselves; while it is away,
//! so do calls that are answered here. In between they would not: a call whose connection broke
//! must not be made again after a later one. So whoever cannot go on at once waits for its turn,
//! and turns come in the order of the calls, when it is known where to go and nobody is on the
//! way any more. All of it happens on the I/O thread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

#[derive(Default)]
pub struct Turns {
    tickets: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Where calls go is known.
    settled: bool,
    /// Calls that have been sent and not been answered.
    on_the_way: usize,
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
}

pub enum Turn {
    /// Go where the state says.
    Now,
    /// Resolves when it has come.
    Later(oneshot::Receiver<()>),
}

impl Turns {
    /// The place of a call, for all of its life.
    pub fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    /// `stay`: go on only when nobody is on the way, because the call is to be answered here.
    pub fn take(&self, ticket: u64, settled: bool, stay: bool) -> Turn {
        let mut state = self.lock();
        let free = state.waiting.is_empty() && settled && !(stay && state.on_the_way > 0);
        if free {
            return Turn::Now;
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.insert(ticket, sender);
        state.release();
        Turn::Later(receiver)
    }

    /// A call has stopped waiting.
    pub fn give_up(&self, ticket: u64) {
        self.lock().waiting.remove(&ticket);
    }

    /// Counts a call as on the way until the guard is dropped.
    pub fn set_out(self: &Arc<Self>) -> OnTheWay {
        self.lock().on_the_way += 1;
        OnTheWay(self.clone())
    }

    /// Whether it is known now where calls go.
    pub fn settle(&self, settled: bool) {
        let mut state = self.lock();
        state.settled = settled;
        state.release();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Tasks run in the order in which they are woken, so those released stay in order, and before
    /// whatever comes after.
    fn release(&mut self) {
        if self.settled && self.on_the_way == 0 {
            while let Some((_, waiting)) = self.waiting.pop_first() {
                // One that has given up meanwhile lets the next one pass.
                let _ = waiting.send(());
            }
        }
    }
}

pub struct OnTheWay(Arc<Turns>);

impl Drop for OnTheWay {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.on_the_way -= 1;
        state.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(turn: Turn) -> oneshot::Receiver<()> {
        match turn {
            Turn::Later(receiver) => receiver,
            Turn::Now => panic!("it should have to wait"),
        }
    }

    #[test]
    fn nobody_waits_while_the_state_is_known() {
        let turns = Arc::new(Turns::default());
        turns.settle(true);
        let _first = turns.set_out();
        assert!(matches!(turns.take(turns.ticket(), true, false), Turn::Now));
    }

    #[test]
    fn turns_come_when_the_last_one_is_back_and_in_the_order_of_tickets() {
        let turns = Arc::new(Turns::default());
        let (early, late) = (turns.ticket(), turns.ticket());
        let on_the_way = turns.set_out();
        turns.settle(true);
        let mut late = later(turns.take(late, true, true));
        let mut early = later(turns.take(early, true, true));
        assert!(early.try_recv().is_err() && late.try_recv().is_err());
        drop(on_the_way);
        assert!(early.try_recv().is_ok() && late.try_recv().is_ok());
    }

    #[test]
    fn whoever_comes_while_others_wait_waits_behind_them() {
        let turns = Arc::new(Turns::default());
        let _on_the_way = turns.set_out();
        let first = later(turns.take(turns.ticket(), false, false));
        turns.settle(true);
        later(turns.take(turns.ticket(), true, false));
        drop(first);
    }
}
