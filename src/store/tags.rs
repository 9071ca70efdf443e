//! Entries that belong to tags, and go when one of their tags is invalidated.
//!
//! A tag has a version, a random number, and knows its entries. An entry carries the versions under
//! which it was set. To invalidate a tag is to take its version away: whatever carries it is void in
//! that moment, wherever it is, and so is whatever is about to be set by somebody who saw it. No
//! version ever comes back, not even on a server that was emptied.

use std::future::Future;

use super::{Json, Key, Pattern, Result, Store, Ttl, slot};

/// What several entries have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    key: Key,
    prefix_bytes: usize,
}

impl Tag {
    pub fn new(prefix: &[u8], space: &[u8], name: &[u8]) -> Self {
        Self {
            key: Key::new(&[prefix, space, name]),
            prefix_bytes: prefix.len(),
        }
    }

    /// The tag that is kept under `key`, in the same space as this one.
    pub fn sibling(&self, key: Vec<u8>) -> Self {
        Self {
            key: Key::from(key),
            prefix_bytes: self.prefix_bytes,
        }
    }

    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Where the entries of the invalidated tag wait to be removed, in the slot of the tag.
    pub fn remains(&self) -> Key {
        let (prefix, name) = self.key.as_bytes().split_at(self.prefix_bytes);
        slot::beside(&self.key, prefix, b"invalidated:", name)
    }
}

/// Sixteen decimal digits, which a double holds exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(u64);

impl Version {
    pub const DIGITS: usize = 16;

    /// A version that no tag has had.
    pub fn unique() -> Self {
        Self(fastrand::u64(1_000_000_000_000_000..9_000_000_000_000_000))
    }

    pub fn digits(self) -> String {
        self.0.to_string()
    }

    pub fn parse(digits: &[u8]) -> Option<Self> {
        let number = str::from_utf8(digits).ok()?.parse().ok()?;
        (digits.len() == Self::DIGITS).then_some(Self(number))
    }
}

/// What is stored for an entry: the versions of its tags, a colon, and its value.
pub fn stamp(versions: &[Version], value: &Json) -> Json {
    let mut stored = Vec::with_capacity(versions.len() * Version::DIGITS + 1 + value.len());
    for version in versions {
        stored.extend_from_slice(version.digits().as_bytes());
    }
    stored.push(b':');
    stored.extend_from_slice(value);
    stored.into()
}

/// Takes apart what [`stamp`] made; `None` for what it cannot have made.
pub fn unstamp(stored: &Json) -> Option<(Vec<Version>, Json)> {
    let colon = stored.iter().position(|byte| *byte == b':')?;
    let (stamps, rest) = stored[..colon].as_chunks::<{ Version::DIGITS }>();
    let versions: Option<_> = stamps.iter().map(|digits| Version::parse(digits)).collect();
    let versions = versions.filter(|_| rest.is_empty())?;
    Some((versions, stored.slice(colon + 1..)))
}

/// Stores that know of tags. An entry has the same tags whenever it is set or read with them.
pub trait Tagged: Store {
    /// The value of `entry`, unless one of `tags` was invalidated after it was set. O(tags).
    fn get_tagged(
        &self,
        entry: &Key,
        tags: &[Tag],
    ) -> impl Future<Output = Result<Option<Json>>> + Send;

    /// The value of `entry`, whatever has become of its tags. O(1).
    fn get_stamped(&self, entry: &Key) -> impl Future<Output = Result<Option<Json>>> + Send
    where
        Self: Sync,
    {
        async {
            let stored = self.get(entry).await?;
            Ok(stored
                .and_then(|stored| unstamp(&stored))
                .map(|(_, value)| value))
        }
    }

    /// The versions that `tags` have from now on, for `keep` at least unless they are invalidated.
    /// O(tags).
    fn versions(
        &self,
        tags: &[Tag],
        keep: Ttl,
    ) -> impl Future<Output = Result<Vec<Version>>> + Send;

    /// Whether `tags` have these versions now. O(tags).
    fn have_versions(
        &self,
        tags: &[Tag],
        versions: &[Version],
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Sets `entry`, if the tags still have the versions that were `seen`, and answers under which
    /// versions; `None`: not kept. O(tags × log of their entries).
    fn set_tagged(
        &self,
        entry: &Key,
        tags: &[Tag],
        seen: Option<&[Version]>,
        value: Json,
        ttl: Ttl,
    ) -> impl Future<Output = Result<Option<Vec<Version>>>> + Send;

    /// Voids every entry of `tag` at once, then removes them, in bounded steps; answers how many
    /// there were. What is set meanwhile stays. O(entries of the tag).
    fn invalidate(&self, tag: &Tag) -> impl Future<Output = Result<u64>> + Send;

    /// Invalidates each tag whose key begins with that of `space` and goes on with a match of one of
    /// `patterns`; answers how many entries there were. O(keys in the store).
    fn invalidate_matching(
        &self,
        space: &Tag,
        patterns: &[Pattern],
    ) -> impl Future<Output = Result<u64>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stamped_comes_back() {
        let (a, b) = (Version::unique(), Version::unique());
        for versions in [vec![], vec![a], vec![a, b]] {
            for value in [&b"1234"[..], b"{\"a\":\":\"}", b"\":\""] {
                let stored = stamp(&versions, &Json::from_static(value));
                let (read, text) = unstamp(&stored).unwrap();
                assert_eq!((read, &text[..]), (versions.clone(), value));
            }
        }
    }

    #[test]
    fn what_was_not_stamped_is_nothing() {
        for other in ["", "null", "{\"a\":1}", "123:1", "12345678901234567:1"] {
            assert_eq!(
                unstamp(&Json::from_static(other.as_bytes())),
                None,
                "{other}"
            );
        }
    }
}
