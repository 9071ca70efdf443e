//! The deadline of a call whose data is large: it starts again while that data moves.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::flow::{MOST_DEADLINES, Transit};
use crate::mutex::{Mutex, MutexGuard};
use crate::store::{Result, StoreError};

thread_local! {
    /// What the currently polled call has on the lane for long work.
    static CURRENT: RefCell<Option<Arc<Scope>>> = const { RefCell::new(None) };
}

/// Runs `work` until `by`, and longer while its large data moves. A step without any may then take
/// one deadline after the last step that had some.
pub async fn patient<T>(
    by: Instant,
    deadline: Duration,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let work = scoped(work);
    let scope = work.scope.clone();
    let outcome = heard(by, deadline, scope, work).await;
    outcome.unwrap_or(Err(StoreError::TimedOut))
}

/// Its deadline has passed.
#[derive(Debug)]
pub struct Late;

/// Waits for `work`, which runs in `scope`, as long as it may take.
pub fn heard<F: Future>(
    by: Instant,
    deadline: Duration,
    scope: Arc<Scope>,
    work: F,
) -> WithinDeadline<F> {
    WithinDeadline {
        work,
        alarm: sleep_until(by),
        scope,
        deadline,
        end: by + deadline * (MOST_DEADLINES - 1),
    }
}

/// Makes the large data in `work` known to its waiting caller.
pub fn scoped<F: Future>(work: F) -> Scoped<F> {
    let scope = CURRENT.with_borrow(Clone::clone).unwrap_or_default();
    Scoped { work, scope }
}

pin_project! {
    pub struct Scoped<F> {
        #[pin]
        work: F,
        pub scope: Arc<Scope>,
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outer = CURRENT.replace(Some(this.scope.clone()));
        let polled = this.work.poll(context);
        CURRENT.set(outer);
        polled
    }
}

pin_project! {
    pub struct WithinDeadline<F> {
        #[pin]
        work: F,
        #[pin]
        alarm: Sleep,
        scope: Arc<Scope>,
        deadline: Duration,
        end: Instant,
    }
}

impl<F: Future> Future for WithinDeadline<F> {
    type Output = std::result::Result<F::Output, Late>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(output) = this.work.poll(context) {
            return Poll::Ready(Ok(output));
        }
        while this.alarm.as_mut().poll(context).is_ready() {
            let until = this.scope.until(*this.deadline).min(Some(*this.end));
            match until {
                Some(until) if until > Instant::now() => this.alarm.as_mut().reset(until),
                _ => return Poll::Ready(Err(Late)),
            }
        }
        Poll::Pending
    }
}

/// The large data of a call.
#[derive(Default)]
pub struct Scope(Mutex<Travels>);

#[derive(Default)]
struct Travels {
    under_way: Vec<Arc<Transit>>,
    ended: Option<Instant>,
}

impl Scope {
    fn until(&self, deadline: Duration) -> Option<Instant> {
        let travels = self.lock();
        let moving = travels
            .under_way
            .iter()
            .filter_map(|transit| transit.until(deadline));
        let ended = travels.ended.map(|ended| ended + deadline);
        moving.chain(ended).max()
    }

    fn lock(&self) -> MutexGuard<'_, Travels> {
        self.0.lock()
    }
}

/// Makes `transit` known to the caller that waits for the current call, until it is dropped.
pub struct Travel {
    transit: Arc<Transit>,
    deadline: Duration,
    scope: Option<Arc<Scope>>,
}

impl Travel {
    pub fn begin(transit: Arc<Transit>, deadline: Duration) -> Self {
        let scope = CURRENT.with_borrow(Clone::clone);
        if let Some(scope) = &scope {
            scope.lock().under_way.push(transit.clone());
        }
        Self {
            transit,
            deadline,
            scope,
        }
    }
}

impl Drop for Travel {
    fn drop(&mut self) {
        let Some(scope) = &self.scope else { return };
        let mut travels = scope.lock();
        let is_other = |other: &Arc<Transit>| !Arc::ptr_eq(other, &self.transit);
        travels.under_way.retain(is_other);
        if self.transit.was_slow(self.deadline) {
            travels.ended = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;
    use crate::store::redis::connection::flow::Progress;

    const DEADLINE: Duration = Duration::from_millis(100);

    /// A transfer that moves every 10 ms, this many times.
    async fn transfer(progress: &Arc<Progress>, times: u32) {
        let _travel = Travel::begin(Transit::new(progress.clone()), DEADLINE);
        for _ in 0..times {
            sleep(DEADLINE / 10).await;
            progress.answered();
        }
    }

    async fn timed<T>(work: impl Future<Output = Result<T>>) -> (Result<T>, u32) {
        let begun = Instant::now();
        let outcome = patient(begun + DEADLINE, DEADLINE, work).await;
        let tenths = begun.elapsed().as_millis() / (DEADLINE / 10).as_millis();
        (outcome, tenths as u32)
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_move_ends_at_the_deadline() {
        let progress = &Arc::default();
        let still = async {
            transfer(progress, 0).await;
            let _travel = Travel::begin(Transit::new(progress.clone()), DEADLINE);
            std::future::pending::<Result<()>>().await
        };
        assert_eq!(timed(still).await, (Err(StoreError::TimedOut), 10));
    }

    #[tokio::test(start_paused = true)]
    async fn what_moves_may_take_long_and_be_followed_by_a_step() {
        let progress = &Arc::default();
        let steps = async {
            transfer(progress, 50).await;
            sleep(DEADLINE / 2).await;
            Ok(())
        };
        assert_eq!(timed(steps).await, (Ok(()), 55));
        let late = async {
            transfer(progress, 50).await;
            std::future::pending::<Result<()>>().await
        };
        assert_eq!(timed(late).await, (Err(StoreError::TimedOut), 60));
    }

    #[tokio::test(start_paused = true)]
    async fn but_not_for_ever() {
        let progress = &Arc::default();
        let endless = async {
            transfer(progress, u32::MAX).await;
            Ok(())
        };
        let longest = 10 * MOST_DEADLINES;
        assert_eq!(timed(endless).await, (Err(StoreError::TimedOut), longest));
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_call_moves_is_none_of_this_one() {
        let progress: Arc<Progress> = Arc::default();
        let other = {
            let progress = progress.clone();
            tokio::spawn(async move { transfer(&progress, 1000).await })
        };
        let small = std::future::pending::<Result<()>>();
        assert_eq!(timed(small).await, (Err(StoreError::TimedOut), 10));
        other.abort();
    }
}
