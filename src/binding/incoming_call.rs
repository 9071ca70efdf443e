//! A call that came, and the ways in which it is answered.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use super::Backplane;
use super::completion::Answer;
use super::completion_queue::{CompletionQueue, Responder};
use super::encode::gone;
use super::submission::Arguments;
use crate::backplane::MeasuredCall;

/// A call whose arguments are still to be read. Then one of its ways is taken: each makes it a task
/// of its own, so that none waits for another.
pub struct IncomingCall<'a> {
    pub op: usize,
    pub arguments: Arguments<'a>,
    /// None: it wants no answer.
    pub id: Option<u32>,
    /// When it left JavaScript.
    pub at: Instant,
    /// None: it has been closed and forgotten.
    pub backplane: Option<&'a Arc<Backplane>>,
    pub completion_queue: &'a Arc<CompletionQueue>,
}

impl IncomingCall<'_> {
    /// It is answered when it is done.
    pub fn asks<F>(self, run: impl FnOnce(Arc<Backplane>) -> F)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        self.measure(None, run);
    }

    /// It changes something: it is answered with `when_overdue` when its time is over before it is
    /// done, and goes on. Whoever told something in time hears that it is remembered; how it went is
    /// not known.
    pub fn tells<F>(self, when_overdue: fn() -> Answer, run: impl FnOnce(Arc<Backplane>) -> F)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        self.measure(Some(when_overdue), run);
    }

    /// It is not answered, nor counted.
    pub fn posts<F>(self, run: impl FnOnce(Arc<Backplane>) -> F)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        if self.id.is_some() || !self.arguments.are_understood() {
            return self.reject();
        }
        if let Some(backplane) = self.backplane {
            backplane.start();
            tokio::spawn(run(backplane.clone()));
        }
    }

    /// It ends the backplane: it is answered when it is done, and is not under way for those who wait
    /// for all calls to be done.
    pub fn ends<F>(self, run: impl FnOnce(Arc<Backplane>) -> F)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        if let Some((backplane, reply)) = self.accept() {
            let call = run(backplane);
            tokio::spawn(async move { reply.send(call.await) });
        }
    }

    /// It was not understood, which is a bug.
    pub fn reject(self) {
        // Dropped, the duty to answer says so.
        drop(self.responder());
    }

    fn measure<F>(self, when_overdue: Option<fn() -> Answer>, run: impl FnOnce(Arc<Backplane>) -> F)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let Some((backplane, reply)) = self.accept() else {
            return;
        };
        let (op, at) = (self.op, self.at);
        let call = run(backplane.clone());
        let under_way = backplane.pending(self.arguments.bytes() + size_of_val(&call));
        let done = move |answer: Answer, is_from_memory| {
            // Before the answer: whoever has the answer finds it counted.
            let calls = &backplane.call_stats;
            calls.ended(op, at, answer.outcome(), is_from_memory);
            reply.send(answer);
        };
        tokio::spawn(MeasuredCall::new(call, when_overdue, done, under_way));
    }

    /// Whose call it is, and who is to be answered; `None` for one that has been answered already.
    fn accept(&self) -> Option<(Arc<Backplane>, Responder)> {
        let reply = self.responder()?;
        if !self.arguments.are_understood() {
            return None;
        }
        let Some(backplane) = self.backplane else {
            reply.send(gone());
            return None;
        };
        backplane.start();
        Some((backplane.clone(), reply))
    }

    fn responder(&self) -> Option<Responder> {
        let id = self.id?;
        Some(Responder::new(self.completion_queue, id))
    }
}
