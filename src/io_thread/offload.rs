//! Work that takes long, on a temporary thread of its own: the I/O thread continues with other
//! work.

use std::sync::mpsc;
use std::thread;

use tokio::sync::{Semaphore, oneshot};

/// Threads that work at once, whatever the number of backplanes.
static PLACES: Semaphore = Semaphore::const_new(2);

/// Returns the result of `work`; `None`: it panicked. If the system gives no thread, the work is
/// done here.
pub async fn offload<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let _place = PLACES.acquire().await.ok()?;
    let (done, outcome) = oneshot::channel();
    let work = move || {
        // A caller that has stopped waiting needs no result.
        let _ = done.send(work());
    };
    // What is passed to a thread is lost if the thread cannot be created.
    let (hand_over, handed_over) = mpsc::channel();
    let started = thread::Builder::new()
        .name("redis-backplane".into())
        .spawn(move || {
            handed_over
                .recv()
                .map_or((), |work: Box<dyn FnOnce() + Send>| work())
        });
    match started {
        Ok(_) => drop(hand_over.send(Box::new(work))),
        Err(_) => work(),
    }
    outcome.await.ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn others_have_the_thread_meanwhile() {
        let (tell, told) = mpsc::channel();
        let work = offload(move || told.recv_timeout(Duration::from_secs(30)));
        let other = async {
            tell.send(7).unwrap();
        };
        let (worked, ()) = tokio::join!(work, other);
        assert_eq!(worked, Some(Ok(7)));
    }

    #[tokio::test]
    async fn many_take_turns_and_one_that_panics_leaves_its_place() {
        let failed = (0..5).map(|_| offload(|| panic!("provoked by a test")));
        let failed: Vec<Option<()>> = futures_util::future::join_all(failed).await;
        assert_eq!(failed, [None; 5]);
        let worked = (0..50).map(|number| offload(move || number * 2));
        let worked = futures_util::future::join_all(worked).await;
        assert!(
            worked
                .into_iter()
                .eq((0..50).map(|number| Some(number * 2)))
        );
    }
}
