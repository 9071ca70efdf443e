//! Long work in steps, between which others on the thread have their turns.

use tokio::task::yield_now;

/// What is done at once: a fraction of a millisecond.
pub const AT_ONCE: usize = 1024;

/// Does something with each item.
pub async fn for_each<I>(items: I, mut act: impl FnMut(I::Item))
where
    I: IntoIterator,
{
    let mut items = items.into_iter();
    loop {
        let mut done = 0;
        for item in items.by_ref().take(AT_ONCE) {
            act(item);
            done += 1;
        }
        if done < AT_ONCE {
            return;
        }
        yield_now().await;
    }
}
