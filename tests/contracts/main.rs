//! What the two implementations of a trait both promise, tested on both, on a redis-server that
//! the tests start.

/// Makes two tests of each function: one in each of the module's worlds.
macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $name() { super::$name(&super::InMemory::new().await).await })*
        }
        mod on_redis {
            $(#[tokio::test]
            async fn $name() { super::$name(&super::OnRedis::new().await).await })*
        }
    };
}

mod bus;
mod locks;
mod panics;
mod presence;
mod rate_limits;
mod store;
mod support;
mod tags;
