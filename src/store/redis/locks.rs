//! Locks on a Redis server, by the server's clock.

use std::time::Duration;

use redis::Value;

use super::RedisStore;
use super::script::{LOCK_EXTEND, LOCK_GIVE, LOCK_TAKE, Lua, unexpected};
use crate::store::locks::{HANDOVER, LockKeys, Locker, QueueTurn, Taken, Token};
use crate::store::{Result, Ttl};

impl Locker for RedisStore {
    async fn take(
        &self,
        keys: &LockKeys,
        token: Token,
        lease: Ttl,
        turn: QueueTurn,
        known_fence: u64,
    ) -> Result<Taken> {
        let place = match turn {
            QueueTurn::No => String::new(),
            QueueTurn::New => "0".to_owned(),
            QueueTurn::Place(place) => place.to_string(),
        };
        let args = [
            lease.as_millis().to_string(),
            place,
            known_fence.to_string(),
        ];
        taken(&self.lock_script(&LOCK_TAKE, keys, token, &args).await?)
    }

    async fn extend(&self, keys: &LockKeys, token: Token, lease: Ttl) -> Result<bool> {
        let args = [lease.as_millis().to_string()];
        let extended = self.lock_script(&LOCK_EXTEND, keys, token, &args).await?;
        Ok(extended == Value::Int(1))
    }

    async fn give(&self, keys: &LockKeys, token: Token) -> Result<bool> {
        let given = self.lock_script(&LOCK_GIVE, keys, token, &[]).await?;
        Ok(given == Value::Int(1))
    }
}

impl RedisStore {
    async fn lock_script(
        &self,
        script: &Lua,
        keys: &LockKeys,
        token: Token,
        args: &[String],
    ) -> Result<Value> {
        let (token, handover) = (token.to_string(), HANDOVER.as_millis().to_string());
        let channels = keys.channels.as_bytes();
        let mut all = vec![token.as_bytes(), channels, handover.as_bytes()];
        all.extend(args.iter().map(String::as_bytes));
        let keys = [&keys.lock, &keys.fence, &keys.queue];
        self.link.calls.script(script, &keys, &all).await
    }
}

fn taken(answer: &Value) -> Result<Taken> {
    match answer {
        Value::Int(fence) => Ok(Taken::Granted {
            fence: *fence as u64,
        }),
        Value::Array(numbers) => match numbers[..] {
            [Value::Int(ms_left), Value::Int(place)] => Ok(Taken::Denied {
                // A key exists until its time has passed: the following millisecond is the first
                // without it.
                free_in: u64::try_from(ms_left)
                    .ok()
                    .map(|ms| Duration::from_millis(ms + 1)),
                place: place as u64,
            }),
            _ => Err(unexpected()),
        },
        _ => Err(unexpected()),
    }
}
