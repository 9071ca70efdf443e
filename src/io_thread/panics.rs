//! Tasks that continue although they panic: a panic is a bug, but no reason to stop working from
//! then on.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::sleep;

/// A task that fails again immediately must not keep the thread busy.
const PAUSE: Duration = Duration::from_secs(1);

/// A future that panicked. Its contents have been dropped.
#[derive(Debug, PartialEq, Eq)]
pub struct Panicked;

/// Returns the result of the future, or that it panicked.
pub async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut future = pin!(future);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        match polled {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    })
    .await
}

/// Runs the future of `make` until it ends. When it panics, `tell` is called, and after a pause
/// another future is made. Must be called on the I/O thread.
pub fn keep<F>(
    tell: impl Fn() + Send + 'static,
    mut make: impl FnMut() -> F + Send + 'static,
) -> AbortHandle
where
    F: Future<Output = ()> + Send,
{
    let kept = async move {
        while caught(async { make().await }).await.is_err() {
            tell();
            sleep(PAUSE).await;
        }
    };
    tokio::spawn(kept).abort_handle()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_panics_is_told_and_made_again_until_it_ends() {
        let (made, told) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (runs, tells) = (made.clone(), told.clone());
        let tell = move || {
            tells.fetch_add(1, SeqCst);
        };
        let make = move || {
            let run = runs.fetch_add(1, SeqCst);
            assert_ne!(run, 0, "provoked by a test, before there is a future");
            async move {
                sleep(Duration::from_millis(1)).await;
                assert!(run >= 3, "provoked by a test");
            }
        };
        keep(tell, make);
        sleep(PAUSE * 10).await;
        assert_eq!((made.load(SeqCst), told.load(SeqCst)), (4, 3));
    }

    #[tokio::test]
    async fn what_is_caught_has_let_go_of_what_it_held() {
        let held = Arc::new(());
        let mine = held.clone();
        let outcome = caught(async move {
            let _mine = mine;
            tokio::task::yield_now().await;
            panic!("provoked by a test");
        });
        assert_eq!(outcome.await, Err::<(), _>(Panicked));
        assert_eq!(Arc::strong_count(&held), 1);
        assert_eq!(caught(async { 7 }).await, Ok(7));
    }
}
