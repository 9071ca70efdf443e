//! Collects the answers of one turn of the I/O thread and sends them to JavaScript as completions.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use serde_json::{Value as JsonValue, json};

use super::buffer_pool::BufferPool;
use super::completion::receipt::Receipt;
use super::completion::{Answer, Completion, Shaper};
use super::encode::broken;
use super::metrics::epoch_ms;
use crate::backplane::pubsub::mailbox::{Gap, Mail, Mailbox};
use crate::io_thread;
use crate::mutex::{Mutex, MutexGuard};

/// Completions with messages that JavaScript has not taken yet. There are as many answers as
/// requests. Messages come without a request, and wait in their mailboxes, which are bounded.
const MAIL_COMPLETIONS: u32 = 2;

/// Takes a completion to the JavaScript thread; drops it if that thread is gone.
pub type OnCompletion = Box<dyn Fn(Completion) + Send + Sync>;

pub struct CompletionQueue {
    open: Mutex<OpenCompletion>,
    /// `None`: nobody takes completions any more.
    carrier: Mutex<Option<OnCompletion>>,
    mail: Mutex<MailRoom>,
    pool: BufferPool,
}

/// The completion that is being written.
struct OpenCompletion {
    completion: Completion,
    shaper: Shaper,
}

#[derive(Default)]
struct MailRoom {
    /// With the number of the backplane that each belongs to.
    waiting: VecDeque<(u32, Arc<Mailbox>)>,
    completions_under_way: u32,
}

impl CompletionQueue {
    pub fn new(carrier: OnCompletion, shaper: Shaper) -> Arc<Self> {
        let pool = BufferPool::default();
        Arc::new(Self {
            open: Mutex::new(OpenCompletion {
                completion: Completion::new(&pool),
                shaper,
            }),
            carrier: Mutex::new(Some(carrier)),
            mail: Mutex::default(),
            pool,
        })
    }

    /// Must be called on the I/O thread.
    pub fn push(self: &Arc<Self>, id: u32, answer: Answer) {
        if matches!(answer, Answer::Begun(_)) {
            // It is not copied when it begins a completion.
            self.send();
        }
        self.write(|OpenCompletion { completion, shaper }| completion.push(id, answer, shaper));
    }

    /// There is mail after there was none. Must be called on the I/O thread.
    pub fn mail_came(self: &Arc<Self>, backplane: u32, mailbox: &Arc<Mailbox>) {
        let mut room = self.mail_room();
        room.waiting.push_back((backplane, mailbox.clone()));
        drop(room);
        self.load_mail();
    }

    /// Puts mail on the completion until there is none, or too much of it is in transit.
    fn load_mail(self: &Arc<Self>) {
        loop {
            let mut room = self.mail_room();
            if room.completions_under_way >= MAIL_COMPLETIONS {
                return;
            }
            let Some((backplane, mailbox)) = room.waiting.pop_front() else {
                return;
            };
            drop(room);
            let mut completion_left = false;
            while !completion_left && let Some(mail) = mailbox.take() {
                completion_left = self.write(|OpenCompletion { completion, shaper }| {
                    completion.receipt.get_or_insert_with(|| self.receipt());
                    match mail {
                        Mail::Message(message) => completion.push_message(&message, shaper),
                        Mail::Gap(gap) => {
                            let event = event(mailbox.receiver, &gap);
                            completion.push(backplane, Answer::Event(event), shaper);
                        }
                    }
                });
            }
            if !mailbox.is_empty() {
                self.mail_room().waiting.push_back((backplane, mailbox));
            }
        }
    }

    fn receipt(self: &Arc<Self>) -> Receipt {
        let queue = Arc::downgrade(self);
        Receipt::new(move || {
            if let Some(queue) = queue.upgrade() {
                queue.mail_was_taken();
            }
        })
    }

    /// On the JavaScript thread.
    fn mail_was_taken(self: &Arc<Self>) {
        let mut room = self.mail_room();
        room.completions_under_way = room.completions_under_way.saturating_sub(1);
        let more = !room.waiting.is_empty();
        drop(room);
        if more {
            let completion_queue = self.clone();
            io_thread::spawn(async move { completion_queue.load_mail() });
        }
    }

    fn mail_room(&self) -> MutexGuard<'_, MailRoom> {
        self.mail.lock()
    }

    /// Returns whether the completion was full and was sent.
    fn write(self: &Arc<Self>, write: impl FnOnce(&mut OpenCompletion)) -> bool {
        let mut open = self.open.lock();
        let first = open.completion.is_empty();
        write(&mut open);
        let full = open.completion.is_full();
        drop(open);
        if full {
            self.send();
        } else if first {
            // Runs after everything that is ready now, so that all of it goes into one completion.
            let completion_queue = self.clone();
            tokio::spawn(async move { completion_queue.send() });
        }
        full
    }

    /// Releases the JavaScript thread; completions are dropped from now on.
    pub fn close(&self) {
        let mut carrier = self.carrier.lock();
        *carrier = None;
    }

    fn send(&self) {
        let mut open = self.open.lock();
        if open.completion.is_empty() {
            return;
        }
        let mut completion = mem::replace(&mut open.completion, Completion::new(&self.pool));
        completion.finish(&mut open.shaper);
        drop(open);
        if completion.receipt.is_some() {
            self.mail_room().completions_under_way += 1;
        }
        let carrier = self.carrier.lock();
        if let Some(carry) = &*carrier {
            carry(completion);
        }
    }
}

fn event(subscriber: u32, gap: &Gap) -> JsonValue {
    json!({
        "subscriber": subscriber,
        "gap": {
            "since": epoch_ms(gap.since),
            "until": epoch_ms(gap.until),
            "reason": gap.reason,
            "dropped": gap.dropped,
        },
    })
}

/// The duty to answer one call. If a task panics, the duty is dropped, and the call is answered
/// with that.
pub struct Responder {
    completion_queue: Arc<CompletionQueue>,
    id: u32,
    answered: bool,
}

impl Responder {
    pub fn new(completion_queue: &Arc<CompletionQueue>, id: u32) -> Self {
        Self {
            completion_queue: completion_queue.clone(),
            id,
            answered: false,
        }
    }

    pub fn send(mut self, answer: Answer) {
        self.answered = true;
        self.completion_queue.push(self.id, answer);
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if !self.answered {
            self.completion_queue.push(self.id, broken());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::completion::layout::{AnswerRole, RecordWord};

    fn recording() -> (Arc<CompletionQueue>, Arc<Mutex<Vec<Completion>>>) {
        let completions = Arc::new(Mutex::new(Vec::new()));
        let sent = completions.clone();
        let completion_queue = CompletionQueue::new(
            Box::new(move |completion| sent.lock().push(completion)),
            Shaper::new(true),
        );
        (completion_queue, completions)
    }

    #[tokio::test]
    async fn one_turn_is_one_completion() {
        let (completion_queue, completions) = recording();
        for id in 0..100 {
            Responder::new(&completion_queue, id).send(Answer::Null);
        }
        tokio::task::yield_now().await;
        let completions = completions.lock();
        assert_eq!(completions.len(), 1);
        assert_eq!(completions[0].completed, 100);
    }

    #[tokio::test]
    async fn a_panic_rejects_its_call_and_no_other() {
        let (completion_queue, completions) = recording();
        let doomed = Responder::new(&completion_queue, 7);
        let failed = tokio::spawn(async move {
            let _doomed = doomed;
            panic!("provoked by a test");
        });
        assert!(failed.await.unwrap_err().is_panic());
        Responder::new(&completion_queue, 8).send(Answer::Null);
        tokio::task::yield_now().await;
        let completions = completions.lock();
        let records = completions
            .iter()
            .flat_map(|completion| completion.words.chunks(RecordWord::Size as usize));
        let of_calls: Vec<_> = records
            .map(|record| {
                let role = record[RecordWord::Role as usize];
                (record[RecordWord::Id as usize], role)
            })
            .collect();
        let (failed, answered) = (AnswerRole::Error as u32, AnswerRole::Value as u32);
        assert_eq!(of_calls, [(7, failed), (8, answered)]);
    }
}
