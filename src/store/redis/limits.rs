//! Rate limits on a Redis server: one script a check, by the server's clock.

use redis::Value;

use super::RedisStore;
use super::script::{LIMIT_FIXED, LIMIT_ROLLING};
use crate::store::limits::{Algorithm, Limiter, Rule, Verdict};
use crate::store::{Key, Result, Store, StoreError};

impl Limiter for RedisStore {
    async fn check(&self, key: &Key, rule: Rule, cost: u64) -> Result<Verdict> {
        match rule.algorithm {
            Algorithm::FixedWindow => {
                let args = [rule.limit, rule.window_ms, cost].map(|number| number.to_string());
                let [limit, window, cost] = args.each_ref().map(String::as_bytes);
                let args = [limit, window, cost];
                let answer = self.link.calls.script(&LIMIT_FIXED, &[key], &args).await?;
                verdict(&answer, rule)
            }
            Algorithm::SlidingWindow => self.check_rolling(key, "S", rule, cost, None).await,
            Algorithm::TokenBucket => self.check_rolling(key, "T", rule, cost, None).await,
        }
    }

    async fn reset(&self, key: &Key) -> Result<()> {
        self.delete(key).await
    }
}

impl RedisStore {
    /// A check of a sliding window (`S`) or a token bucket (`T`), at a time of the caller's, in ms
    /// since 1970, or by the server's clock.
    pub async fn check_rolling(
        &self,
        key: &Key,
        algorithm: &str,
        rule: Rule,
        cost: u64,
        now_ms: Option<u64>,
    ) -> Result<Verdict> {
        let args = [rule.limit, rule.window_ms, cost].map(|number| number.to_string());
        let now = now_ms.map_or(String::new(), |now| now.to_string());
        let [limit, window, cost] = &args;
        let args = [algorithm, limit, window, cost, &now].map(str::as_bytes);
        let answer = self
            .link
            .calls
            .script(&LIMIT_ROLLING, &[key], &args)
            .await?;
        verdict(&answer, rule)
    }
}

/// Allowed, count, end, retry and, where it does not follow from the count, remaining.
fn verdict(answer: &Value, rule: Rule) -> Result<Verdict> {
    let Value::Array(numbers) = answer else {
        return Err(StoreError::Rejected("not the answer of the script".into()));
    };
    let number = |i: usize| match numbers.get(i) {
        Some(Value::Int(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    let [allowed, count, reset_at_ms, retry_after_ms] =
        [0, 1, 2, 3].map(|i| number(i).unwrap_or_default());
    Ok(Verdict {
        allowed: allowed == 1,
        count,
        remaining: number(4).unwrap_or(rule.limit.saturating_sub(count)),
        reset_at_ms,
        retry_after_ms,
    })
}
