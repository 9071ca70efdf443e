//! Keeps calls in the order in which they were made, across a change of their destination.
//!
//! While Redis is ready, calls are sent there immediately and stay in order by themselves. So do
//! calls that are answered here while it is unavailable. In between they would not: a call whose
//! connection was lost must not be repeated after a later one. So a call that cannot continue
//! immediately waits for its turn. Turns come one after the other, in the order of the calls, once
//! the destination is known and no call is in transit any more. All of this happens on the I/O
//! thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::oneshot;

use crate::mutex::{Mutex, MutexGuard};

#[derive(Default)]
pub struct CallOrder {
    tickets: AtomicU64,
    state: Mutex<OrderState>,
}

#[derive(Default)]
struct OrderState {
    /// The destination of calls is known.
    resolved: bool,
    /// Calls that have been sent and not been answered.
    on_the_way: usize,
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
    /// The waiting calls are having their turns; those that are sent do not hold up the others.
    draining: bool,
    /// A call is having its turn.
    taken: bool,
}

impl CallOrder {
    /// The place of a call, for all of its life.
    pub fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether a call to Redis need not wait for other calls.
    pub fn are_free(&self) -> bool {
        self.lock().is_free()
    }

    /// Whether a call that is answered here need not wait: no call is in transit that may come
    /// back.
    pub fn are_free_and_idle(&self) -> bool {
        let state = self.lock();
        state.is_free() && state.on_the_way == 0
    }

    /// Waits for a turn. The result must be turned into a [`CallTurn`] immediately.
    pub fn queue(&self, ticket: u64) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        state.waiting.insert(ticket, sender);
        state.advance();
        receiver
    }

    /// A call has stopped waiting.
    pub fn give_up(&self, ticket: u64) {
        self.lock().waiting.remove(&ticket);
    }

    /// Counts a call as in transit until the guard is dropped.
    pub fn set_out(self: &Arc<Self>) -> OnTheWay {
        self.lock().on_the_way += 1;
        OnTheWay(self.clone())
    }

    /// The destination of calls has changed; whether it is known now.
    pub fn resolve(&self, resolved: bool) {
        let mut state = self.lock();
        state.resolved = resolved;
        state.draining = false;
        state.advance();
    }

    fn lock(&self) -> MutexGuard<'_, OrderState> {
        self.state.lock()
    }
}

impl OrderState {
    fn is_free(&self) -> bool {
        self.resolved && self.waiting.is_empty() && !self.taken
    }

    fn advance(&mut self) {
        if self.waiting.is_empty() {
            self.draining = false;
        }
        let blocked = self.on_the_way > 0 && !self.draining;
        if !self.resolved || self.taken || blocked {
            return;
        }
        while let Some((_, next)) = self.waiting.pop_first() {
            if next.send(()).is_ok() {
                self.draining = true;
                self.taken = true;
                return;
            }
        }
    }
}

pub struct OnTheWay(Arc<CallOrder>);

impl Drop for OnTheWay {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.on_the_way -= 1;
        state.advance();
    }
}

/// A turn. It is over when it is dropped: when the call has been sent, or is about to be answered
/// here.
pub struct CallTurn(Arc<CallOrder>);

impl CallTurn {
    pub fn new(call_order: &Arc<CallOrder>) -> Self {
        Self(call_order.clone())
    }
}

impl Drop for CallTurn {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.taken = false;
        state.advance();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_while_the_state_is_known() {
        let call_order = Arc::new(CallOrder::default());
        assert!(!call_order.are_free());
        call_order.resolve(true);
        let _first = call_order.set_out();
        assert!(call_order.are_free());
        assert!(!call_order.are_free_and_idle());
    }

    #[test]
    fn turns_come_one_by_one_in_the_order_of_tickets() {
        let call_order = Arc::new(CallOrder::default());
        let (early, late) = (call_order.ticket(), call_order.ticket());
        let on_the_way = call_order.set_out();
        call_order.resolve(true);
        let mut late = call_order.queue(late);
        let mut early = call_order.queue(early);
        assert!(early.try_recv().is_err() && late.try_recv().is_err());
        drop(on_the_way);
        assert!(early.try_recv().is_ok() && late.try_recv().is_err());
        let turn = CallTurn::new(&call_order);
        let _sets_out = call_order.set_out();
        assert!(!call_order.are_free(), "the procession goes first");
        drop(turn);
        assert!(late.try_recv().is_ok());
        drop(CallTurn::new(&call_order));
        assert!(call_order.are_free());
    }

    #[test]
    fn whoever_gave_up_lets_the_next_one_pass() {
        let call_order = Arc::new(CallOrder::default());
        drop(call_order.queue(call_order.ticket()));
        let mut second = call_order.queue(call_order.ticket());
        call_order.resolve(true);
        assert!(second.try_recv().is_ok());
    }

    #[test]
    fn draining_ends_when_the_state_changes() {
        let call_order = Arc::new(CallOrder::default());
        let mut first = call_order.queue(call_order.ticket());
        let mut second = call_order.queue(call_order.ticket());
        call_order.resolve(true);
        assert!(first.try_recv().is_ok());
        let turn = CallTurn::new(&call_order);
        let on_the_way = call_order.set_out();
        call_order.resolve(true);
        drop(turn);
        assert!(second.try_recv().is_err(), "the first may come back");
        drop(on_the_way);
        assert!(second.try_recv().is_ok());
    }
}
