//! The two queues of one environment (a main thread, a worker, a jest context).

use std::collections::HashMap;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use napi::bindgen_prelude::*;
use napi_derive::napi;
use serde_json::json;

use super::Backplane;
use super::carrier::{Carrier, KeepAlive};
use super::completion::ffi::{CompletionArgs, CompletionMemory, JsonText};
use super::completion::{Answer, Completion, Shaper};
use super::completion_queue::CompletionQueue;
use super::dispatch::dispatch;
use super::metrics::metrics;
use super::operations::Op;
use super::options::BackplaneOptions;
use super::panics;
use super::submission::Submission;
use crate::backplane::pubsub::mailbox::Mailbox;
use crate::backplane::{Event, OnEvent};
use crate::io_thread::{self, busy_poll};
use crate::mutex::Mutex;
use crate::store::redis::connection::endpoint::Secret;
use crate::store::redis::connection::login::Credentials;

type Backplanes = Arc<Mutex<HashMap<u32, Arc<Backplane>>>>;

/// Where JavaScript writes submissions (submission.rs).
#[napi(object, object_to_js = false)]
pub struct CallMemory {
    pub words: Float64Array,
    pub text: Uint8Array,
    pub bytes: Uint8Array,
}

/// Calls in, answers out. Keeps the process alive exactly while a call is pending.
#[napi]
pub struct Queue {
    /// `None` at the end: it may belong to another queue by now.
    memory: Option<CallMemory>,
    alive: Rc<KeepAlive>,
    completion_queue: Arc<CompletionQueue>,
    backplanes: Backplanes,
    opened: u32,
}

#[napi]
impl Queue {
    /// `shapes`: whether JavaScript can create functions, and so build values of shapes. `resource`
    /// is what async_hooks shows of the queue.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: Env,
        memory: CallMemory,
        completion_memory: CompletionMemory,
        shapes: bool,
        on_completion: Function<'_, CompletionArgs, ()>,
        resource: Object<'_>,
    ) -> Result<Self> {
        let alive = Rc::new(KeepAlive::new(env));
        let mut completion_memory = completion_memory;
        let open = move |completion| completion_memory.open(completion);
        let carrier = Carrier::new(env, &on_completion, &resource, alive.clone(), open)?;
        let carry = move |completion: Completion| {
            busy_poll::completion_left(completion.completed);
            carrier.call(completion);
        };
        Ok(Self {
            memory: Some(memory),
            alive,
            completion_queue: CompletionQueue::new(Box::new(carry), Shaper::new(shapes)),
            backplanes: Arc::default(),
            opened: 0,
        })
    }

    /// Creates a backplane and returns its number. Opens no connection.
    #[napi(catch_unwind)]
    pub fn open(&mut self, options: BackplaneOptions) -> u32 {
        let number = self.opened;
        self.opened += 1;
        let completion_queue = self.completion_queue.clone();
        let on_mail =
            Arc::new(move |mailbox: &Arc<Mailbox>| completion_queue.mail_came(number, mailbox));
        let on_event = teller(self.completion_queue.clone(), number);
        let backplane = Backplane::new(options.into(), on_event, on_mail);
        self.backplanes.lock().insert(number, backplane);
        number
    }

    /// Drops a backplane that has been closed.
    #[napi(catch_unwind)]
    pub fn forget(&mut self, backplane: u32) {
        self.backplanes.lock().remove(&backplane);
    }

    /// Releases what the environment holds for the queue. Later submissions are ignored, and no
    /// completion comes.
    #[napi(catch_unwind)]
    pub fn end(&mut self) {
        self.memory = None;
        self.alive.end();
        self.completion_queue.close();
    }

    /// Keeps the process alive until [`Self::release`], for something other than a call.
    #[napi(catch_unwind)]
    pub fn hold(&self) {
        self.alive.submitted(1);
    }

    #[napi(catch_unwind)]
    pub fn release(&self) {
        self.alive.completed(1);
    }

    /// Whether it keeps the process alive now.
    #[napi(catch_unwind)]
    pub fn is_held(&self) -> bool {
        self.alive.is_needed()
    }

    /// `idle`, `connecting`, `ready`, `degraded` or `closed`.
    #[napi(catch_unwind)]
    pub fn state(&self, backplane: u32) -> &'static str {
        let backplane = self.backplanes.lock().get(&backplane).cloned();
        backplane.map_or("closed", |backplane| backplane.state_name())
    }

    /// Answers a request for credentials, or reports `why` there are none, without a secret.
    #[napi(catch_unwind)]
    pub fn answer_login(
        &self,
        backplane: u32,
        question: u32,
        username: Option<String>,
        password: Option<String>,
        why: Option<String>,
    ) {
        let backplane = self.backplanes.lock().get(&backplane).cloned();
        let answer = match why {
            Some(why) => Err(why),
            None => Ok(Credentials {
                username,
                password: password.map(Secret),
            }),
        };
        if let Some(backplane) = backplane {
            backplane.answer_login(question, answer);
        }
    }

    /// For how many ms a lease is certain to last; 0 for one that has ended.
    #[napi(catch_unwind)]
    pub fn lease_ms(&self, backplane: u32, handle: f64) -> f64 {
        let backplane = self.backplanes.lock().get(&backplane).cloned();
        backplane.map_or(0.0, |backplane| backplane.lock_certain_ms(handle as u64))
    }

    /// The result about a message from the local cache, as JSON.
    #[napi(catch_unwind)]
    pub fn message_read_local(&self, backplane: u32, hash: String) -> Option<JsonText> {
        let backplane = self.backplanes.lock().get(&backplane).cloned()?;
        let text = backplane.message_read_local(hash.as_bytes())?;
        backplane
            .call_stats
            .answered_locally(Op::MessageGet as usize);
        Some(JsonText(text))
    }

    /// The value in the local cache is about to change, or has changed.
    #[napi(catch_unwind)]
    pub fn message_forget(&self, backplane: u32, hash: String) {
        if let Some(backplane) = self.backplanes.lock().get(&backplane) {
            backplane.message_forget(hash.as_bytes());
        }
    }

    #[napi(catch_unwind)]
    pub fn message_forget_all(&self, backplane: u32) {
        if let Some(backplane) = self.backplanes.lock().get(&backplane) {
            backplane.message_forget_all();
        }
    }

    #[napi(catch_unwind)]
    pub fn message_sweep(&self, backplane: u32) {
        if let Some(backplane) = self.backplanes.lock().get(&backplane) {
            backplane.message_sweep();
        }
    }

    #[napi(catch_unwind)]
    pub fn local_messages(&self, backplane: u32) -> u32 {
        let backplane = self.backplanes.lock().get(&backplane).cloned();
        backplane.map_or(0, |backplane| backplane.local_messages() as u32)
    }

    /// The cached value of a key from the local cache, as JSON, for a call of kind `op`.
    #[napi(catch_unwind)]
    pub fn cache_read_local(&self, backplane: u32, key: String, op: u32) -> Option<JsonText> {
        let backplane = self.backplanes.lock().get(&backplane).cloned()?;
        let text = backplane.cache_read_local(key.as_bytes())?;
        backplane.call_stats.answered_locally(op as usize);
        Some(JsonText(text))
    }

    /// The value of a key in the local cache, or of all keys, is about to change.
    #[napi(catch_unwind)]
    pub fn cache_forget(&self, backplane: u32, key: Option<String>) {
        if let Some(backplane) = self.backplanes.lock().get(&backplane) {
            backplane.cache_forget(key.as_deref().map(str::as_bytes));
        }
    }

    /// The counters, as JSON (metrics.rs).
    #[napi(catch_unwind)]
    pub fn metrics(&self, backplane: u32) -> Option<JsonText> {
        let backplane = self.backplanes.lock().get(&backplane).cloned()?;
        let text = metrics(&backplane.metrics()).to_string();
        Some(JsonText(text.into()))
    }

    /// Hands over what was written: `calls` that expect an answer, in the first `words` words, the
    /// first `text` and `bytes` bytes, and `extras`. Returns whether [`Self::lend`] is needed.
    #[napi(catch_unwind)]
    pub fn submit(
        &mut self,
        calls: u32,
        words: u32,
        text: u32,
        text_is_ascii: bool,
        bytes: u32,
        extras: Option<Vec<Either<String, Uint8Array>>>,
    ) -> bool {
        let Some(memory) = &self.memory else {
            return false;
        };
        let extras = extras.unwrap_or_default();
        let submission = Submission {
            at: Instant::now(),
            words: memory.words[..words as usize].to_vec(),
            text: memory.text[..text as usize].to_vec(),
            text_is_ascii,
            bytes: Bytes::copy_from_slice(&memory.bytes[..bytes as usize]),
            extras: extras.into_iter().map(extra).collect(),
        };
        self.alive.submitted(calls);
        let completion_queue = self.completion_queue.clone();
        let backplanes = self.backplanes.clone();
        io_thread::spawn(async move {
            busy_poll::submission_came(calls);
            dispatch(&submission, &completion_queue, |number| {
                backplanes.lock().get(&number).cloned()
            });
        });
        io_thread::is_lent() && io_thread::lend()
    }

    /// Acquires from the system what the I/O thread will need. Must be called when the addon is
    /// loaded.
    #[napi(catch_unwind)]
    pub fn prepare() -> Result<()> {
        panics::print_places();
        Ok(io_thread::prepare()?)
    }

    /// Does some of the I/O thread's work on this thread, because there is no I/O thread yet.
    /// Returns whether that is so.
    #[napi(catch_unwind)]
    pub fn lend() -> bool {
        io_thread::lend()
    }
}

/// The environment is gone, and so is everything that was done for it.
impl Drop for Queue {
    fn drop(&mut self) {
        // A lack of threads is no reason to end the process.
        let _ = panic::catch_unwind(AssertUnwindSafe(|| {
            for (_, backplane) in self.backplanes.lock().drain() {
                io_thread::spawn(async move { backplane.close().await });
            }
        }));
    }
}

/// A string is copied only once, out of V8.
fn extra(value: Either<String, Uint8Array>) -> Bytes {
    match value {
        Either::A(text) => text.into(),
        Either::B(bytes) => Bytes::copy_from_slice(&bytes),
    }
}

fn teller(completion_queue: Arc<CompletionQueue>, number: u32) -> OnEvent {
    Arc::new(move |event| {
        let event = match event {
            Event::State { name, reason } => json!({ "state": name, "reason": reason }),
            Event::JournalOverflow => json!({ "overflow": true }),
            Event::Failed { what } => json!({ "failed": what }),
            Event::Forbidden { what } => json!({ "forbidden": what }),
            Event::Deaf { reason } => json!({ "deaf": reason }),
            Event::LockLost { handle } => json!({ "lockLost": handle }),
            Event::NeedlessPassword => json!({ "needlessPassword": true }),
            Event::CredentialsWanted { number } => json!({ "credentialsWanted": number }),
        };
        completion_queue.push(number, Answer::Event(event));
    })
}
