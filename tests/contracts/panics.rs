//! A task that keeps something going is started again when it panics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use redis_backplane::store::Result;
use redis_backplane::store::availability::Recovery;
use redis_backplane::store::redis::RedisStore;

use super::support::{Server, connect_with};

/// Has nothing to put right, and panics the first time.
struct FailsOnce(Arc<AtomicU32>);

impl Recovery<RedisStore> for FailsOnce {
    async fn recover(
        &self,
        _: &RedisStore,
        _: impl Fn() + Send,
        open: impl FnOnce() + Send,
    ) -> Result<()> {
        let attempt = self.0.fetch_add(1, Ordering::SeqCst);
        assert_ne!(attempt, 0, "provoked by a test");
        open();
        Ok(())
    }
}

#[tokio::test]
async fn the_link_is_made_again_after_a_panic() {
    let attempts = Arc::new(AtomicU32::new(0));
    let server = Server::start();
    let connected = connect_with(&server, FailsOnce(attempts.clone())).await;
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
    assert!(!connected.store.link().health().is_lost());
}
