//! The I/O thread: one per process, shared by every environment (main thread, workers, jest
//! contexts) and every backplane. It is the only thing that is process-wide.
//!
//! Its descriptors are acquired when the addon is loaded, the thread at the first call. A system
//! that gives no thread then (a limit on processes) may give one later. Until it does, the calling
//! threads lend themselves, a little at a time ([`lend`]): calls are answered from memory, and
//! nothing connects.

pub mod busy_poll;
pub mod lookup;
pub mod offload;
pub mod panics;
pub mod steps;

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::mutex::Mutex;

/// Turns that a thread lends at a time: enough for a call that memory answers.
const LENT_TURNS: usize = 256;

static IO: OnceCell<Io> = OnceCell::new();

struct Io {
    handle: Handle,
    has_thread: AtomicBool,
    /// The runtime, until its thread has taken it.
    waiting: Mutex<Option<Runtime>>,
}

/// Acquires from the system what the thread needs, except the thread.
pub fn prepare() -> io::Result<()> {
    IO.get_or_try_init(Io::new).map(|_| ())
}

/// Runs `task` on the I/O thread, from any thread, in the order of the calls.
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    // Nothing is called in an addon that could not be loaded.
    let Ok(io) = IO.get_or_try_init(Io::new) else {
        return;
    };
    io.handle.spawn(task);
    io.start();
}

/// Whether there is no I/O thread yet, because the system gives none.
pub fn is_lent() -> bool {
    IO.get().is_some_and(|io| !io.has_thread.load(Relaxed))
}

/// Runs what is ready on this thread, if there is no other. Returns whether that is so.
pub fn lend() -> bool {
    IO.get().is_some_and(|io| !io.start() && io.lend())
}

impl Io {
    fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            has_thread: AtomicBool::new(false),
            waiting: Mutex::new(Some(runtime)),
        })
    }

    /// Starts the thread if that has not been done. Returns whether there is one.
    fn start(&'static self) -> bool {
        self.has_thread.load(Relaxed) || self.try_start()
    }

    #[cold]
    fn try_start(&'static self) -> bool {
        // Two threads of JavaScript may be here: the second starts one that finds nothing to do.
        let started = std::thread::Builder::new()
            .name("redis-backplane".into())
            .spawn(|| self.run())
            .is_ok();
        if started {
            self.has_thread.store(true, Relaxed);
        }
        started
    }

    fn run(&self) {
        // Before its first task looks.
        self.has_thread.store(true, Relaxed);
        let runtime = self.waiting.lock().take();
        if let Some(runtime) = runtime {
            while runtime.block_on(panics::caught(busy_poll::run())).is_err() {}
        }
    }

    fn lend(&self) -> bool {
        // Another thread is lending just now, or this thread already is.
        let Some(waiting) = self.waiting.try_lock() else {
            return true;
        };
        if let Some(runtime) = &*waiting {
            runtime.block_on(async {
                for _ in 0..LENT_TURNS {
                    tokio::task::yield_now().await;
                }
            });
        }
        waiting.is_some()
    }
}
