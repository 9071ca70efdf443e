//! The I/O thread: one per process, shared by every environment (main thread, workers, jest
//! contexts) and every backplane. It is the only thing that is process-wide.

pub mod busy_poll;
pub mod kept;
pub mod lookup;
pub mod steps;

use std::future::Future;

use once_cell::sync::Lazy;
use tokio::runtime::{Builder, Handle};

static HANDLE: Lazy<Handle> = Lazy::new(|| {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .expect("a runtime needs an epoll instance and an eventfd");
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("redis-backplane".into())
        .spawn(move || while runtime.block_on(kept::caught(busy_poll::run())).is_err() {})
        .expect("the I/O thread could not be started");
    handle
});

/// Runs `task` on the I/O thread, from any thread, in the order of the calls.
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    HANDLE.spawn(task);
}
