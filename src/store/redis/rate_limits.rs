//! Rate limits on a Redis server: one script per check, by the server's clock.

use redis::Value;

use super::RedisStore;
use super::script::{RATE_LIMIT_FIXED, RATE_LIMIT_ROLLING, unexpected};
use crate::store::rate_limits::{Algorithm, Limiter, Rule, Verdict};
use crate::store::{Key, Result, Store};

impl Limiter for RedisStore {
    async fn check(&self, key: &Key, rule: Rule, cost: u64) -> Result<Verdict> {
        match rule.algorithm {
            Algorithm::FixedWindow => {
                let mut digits = [itoa::Buffer::new(); 3];
                let [limit, window, by] = &mut digits;
                let args = [
                    limit.format(rule.limit),
                    window.format(rule.window_ms),
                    by.format(cost),
                ];
                let args = args.map(str::as_bytes);
                let answer = self
                    .link
                    .calls
                    .script(&RATE_LIMIT_FIXED, &[key], &args)
                    .await?;
                fixed_verdict(&answer, rule)
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
    /// A check of a sliding window (`S`) or a token bucket (`T`), at a time that the caller sets,
    /// in ms since 1970, or by the server's clock.
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
            .script(&RATE_LIMIT_ROLLING, &[key], &args)
            .await?;
        Ok(verdict(&numbers(&answer)?, rule))
    }
}

/// The answer of `rate_limit_fixed.lua`, in one number if possible.
fn fixed_verdict(answer: &Value, rule: Rule) -> Result<Verdict> {
    const SINCE_MS: u64 = 1_700_000_000_000;
    const BITS: u32 = 40;
    let verdict = match answer {
        Value::Int(packed) => {
            let packed = packed.unsigned_abs();
            let last_ms = SINCE_MS + packed % (1 << BITS);
            verdict(&[1, packed >> BITS, last_ms, 0], rule)
        }
        list => verdict(&numbers(list)?, rule),
    };
    // A key exists until its time has passed: the following millisecond is the first without it.
    Ok(Verdict {
        reset_at_ms: verdict.reset_at_ms + 1,
        ..verdict
    })
}

fn numbers(answer: &Value) -> Result<Vec<u64>> {
    let Value::Array(numbers) = answer else {
        return Err(unexpected());
    };
    let number = |value: &Value| match value {
        Value::Int(number) => u64::try_from(*number).unwrap_or_default(),
        _ => 0,
    };
    Ok(numbers.iter().map(number).collect())
}

/// Allowed, count, end, retry and, where it does not follow from the count, remaining.
fn verdict(numbers: &[u64], rule: Rule) -> Verdict {
    let number = |i: usize| numbers.get(i).copied();
    let [allowed, count, reset_at_ms, retry_after_ms] =
        [0, 1, 2, 3].map(|i| number(i).unwrap_or_default());
    Verdict {
        allowed: allowed == 1,
        count,
        remaining: number(4).unwrap_or(rule.limit.saturating_sub(count)),
        reset_at_ms,
        retry_after_ms,
    }
}
