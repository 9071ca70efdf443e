//! Long work in steps, between which other tasks on the thread run.

use tokio::task::yield_now;

/// The work of one step: a fraction of a millisecond.
pub const AT_ONCE: usize = 1024;

/// Does something with each item.
pub async fn for_each<I>(items: I, mut act: impl FnMut(I::Item))
where
    I: IntoIterator,
{
    for_each_of_cost(items, |item| {
        act(item);
        1
    })
    .await;
}

/// Runs a function on each item, which returns its cost, measured in cheap items.
pub async fn for_each_of_cost<I>(items: I, mut act: impl FnMut(I::Item) -> usize)
where
    I: IntoIterator,
{
    let mut items = items.into_iter();
    loop {
        let mut done = 0;
        while done < AT_ONCE {
            let Some(item) = items.next() else { return };
            done += act(item);
        }
        yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn a_step_does_a_bounded_number_of_things() {
        for (cost, most) in [(1, AT_ONCE), (AT_ONCE / 4, 4), (AT_ONCE * 10, 1)] {
            let done = std::cell::Cell::new(0);
            let mut work = pin!(for_each_of_cost(0..5000, |_| {
                done.set(done.get() + 1);
                cost
            }));
            let mut before = 0;
            while poll!(&mut work).is_pending() {
                assert!(done.get() - before <= most, "{}", done.get() - before);
                before = done.get();
            }
            assert_eq!(done.get(), 5000);
        }
    }
}
