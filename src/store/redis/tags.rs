//! Tags on a Redis server, one sorted set each: so a tag, its version and its list of entries are
//! lost together or not at all. Entries live in hash slots of their own.

use futures_util::future::{try_join, try_join_all};
use redis::Value;

use super::script::{TAG_END, TAG_INVALIDATE, TAG_JOIN, unexpected};
use super::{RedisStore, command, scan};
use crate::store::tags::{Tag, Tagged, Version, stamp};
use crate::store::{Json, Key, Pattern, Result, StoreError, Ttl};

/// Entries that are removed in one step.
const AT_ONCE: &str = "1000";
const MOST_AT_ONCE: usize = 1000;
/// How long the rest of an invalidated tag may wait for its next step, ms.
const REMAINS_MS: &str = "600000";

impl Tagged for RedisStore {
    async fn get_with_versions(
        &self,
        entry: &Key,
        tags: &[Tag],
    ) -> Result<(Option<Json>, Vec<Option<Version>>)> {
        let deadline = self.deadline();
        let both = async {
            let current = try_join_all(tags.iter().map(|tag| self.version(tag)));
            try_join(self.read(entry, deadline), current).await
        };
        let (stored, current) = match self.large.is_idle() {
            true => both.await?,
            false => Box::pin(self.in_turn(entry, both)).await?,
        };
        Ok((stored.map(Json::from), current))
    }

    async fn versions(&self, tags: &[Tag], keep: Ttl) -> Result<Vec<Version>> {
        let versions = tags.iter().map(|tag| self.join_tag(tag, None, b"", keep));
        let versions = try_join_all(versions).await?;
        Ok(versions.into_iter().flatten().collect())
    }

    async fn have_versions(&self, tags: &[Tag], versions: &[Version]) -> Result<bool> {
        let current = try_join_all(tags.iter().map(|tag| self.version(tag))).await?;
        Ok(versions.iter().copied().map(Some).eq(current))
    }

    async fn set_tagged(
        &self,
        entry: &Key,
        tags: &[Tag],
        seen: Option<&[Version]>,
        value: Json,
        ttl: Ttl,
    ) -> Result<Option<Vec<Version>>> {
        if seen.is_some_and(|seen| seen.len() != tags.len()) {
            return Ok(None);
        }
        // Two round trips: later calls of the entry wait behind them.
        let place = self.large.place(entry);
        let _turn = self.turn(&place).await;
        let Some(versions) = self.join_tags(entry, tags, seen, ttl).await? else {
            return Ok(None);
        };
        let stored = stamp(&versions, &value);
        let kept = self.write_in_turn(entry, stored, ttl, self.deadline());
        Ok(kept.await?.then_some(versions))
    }

    async fn invalidate(&self, tag: &Tag) -> Result<u64> {
        let waiting = &tag.remains();
        let mut removed = 0;
        let mut is_begun = false;
        loop {
            let begun: &[u8] = if is_begun { b"1" } else { b"" };
            let args = [AT_ONCE.as_bytes(), REMAINS_MS.as_bytes(), begun];
            let keys = [tag.key(), waiting];
            let ended = self.link.calls.script(&TAG_END, &keys, &args).await?;
            let (versions, entries) = match &ended {
                Value::Array(parts) => match &parts[..] {
                    [Value::Array(versions), Value::Array(entries)] => {
                        (names(versions), names(entries))
                    }
                    _ => return Err(unexpected()),
                },
                _ => return Err(unexpected()),
            };
            removed += self.remove_invalid(&versions, &entries).await?;
            let is_last = entries.len() < MOST_AT_ONCE;
            let done = [&entries[..], if is_last { &versions } else { &[] }].concat();
            if !done.is_empty() {
                let forget = [&[&b"ZREM"[..], waiting.as_bytes()], &done[..]].concat();
                self.link.calls.query(command(&forget)).await?;
            }
            if is_last {
                return Ok(removed);
            }
            is_begun = true;
        }
    }

    async fn invalidate_matching(&self, space: &Tag, patterns: &[Pattern]) -> Result<u64> {
        let spaces = [space.key()];
        let mut walk = scan::Walk::new(&self.link, &spaces, patterns);
        let mut removed = 0;
        while let Some(keys) = walk.next_keys().await? {
            let tags: Vec<Tag> = keys.into_iter().map(|key| space.sibling(key)).collect();
            let counts = try_join_all(tags.iter().map(|tag| self.invalidate(tag)));
            removed += counts.await?.iter().sum::<u64>();
        }
        Ok(removed)
    }
}

impl RedisStore {
    async fn version(&self, tag: &Tag) -> Result<Option<Version>> {
        let score = command(&[b"ZSCORE", tag.key().as_bytes(), b""]);
        match self.link.calls.query(score).await {
            Ok(Value::BulkString(score)) => Ok(score.get(1..).and_then(Version::parse)),
            Err(StoreError::Rejected(text)) if !text.starts_with("WRONGTYPE") => {
                Err(StoreError::Rejected(text))
            }
            Ok(_) | Err(StoreError::Rejected(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `None`: one of the tags does not have the version that was seen.
    async fn join_tags(
        &self,
        entry: &Key,
        tags: &[Tag],
        seen: Option<&[Version]>,
        ttl: Ttl,
    ) -> Result<Option<Vec<Version>>> {
        let joined = tags.iter().enumerate().map(|(i, tag)| {
            let seen = seen.map(|seen| seen[i]);
            self.join_tag(tag, seen, entry.as_bytes(), ttl)
        });
        Ok(try_join_all(joined).await?.into_iter().collect())
    }

    /// `None`: the tag does not have the version that was seen.
    async fn join_tag(
        &self,
        tag: &Tag,
        seen: Option<Version>,
        entry: &[u8],
        ttl: Ttl,
    ) -> Result<Option<Version>> {
        let seen = seen.map_or(String::new(), Version::digits);
        let (fresh, ms) = (Version::unique().digits(), ttl.as_millis().to_string());
        let args = [seen.as_bytes(), fresh.as_bytes(), entry, ms.as_bytes()];
        match self
            .link
            .calls
            .script(&TAG_JOIN, &[tag.key()], &args)
            .await?
        {
            Value::BulkString(version) => Ok(Version::parse(&version)),
            _ => Ok(None),
        }
    }

    /// Removes those of `entries` that carry one of `versions`. Returns how many.
    async fn remove_invalid(&self, versions: &[&[u8]], entries: &[&[u8]]) -> Result<u64> {
        let removed = entries.iter().map(async |entry| {
            let key = Key::new(&[entry]);
            self.link
                .calls
                .script(&TAG_INVALIDATE, &[&key], versions)
                .await
        });
        let removed = try_join_all(removed).await?;
        Ok(removed
            .iter()
            .filter(|count| **count == Value::Int(1))
            .count() as u64)
    }
}

fn names(values: &[Value]) -> Vec<&[u8]> {
    let names = values.iter().map(|value| match value {
        Value::BulkString(name) => &name[..],
        _ => b"",
    });
    names.collect()
}
