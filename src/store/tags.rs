//! Entries that belong to tags, and become invalid when one of their tags is invalidated.
//!
//! A tag has a version, a random number, and knows its entries. An entry carries the versions under
//! which it was set. An invalidation deletes the version of the tag. From that moment every entry
//! that carries the version is invalid, wherever it is stored, and so is every set by a caller that
//! saw it. No version is ever reused, not even on a server that was emptied.
//!
//! Validity depends only on versions; the list of entries serves counting and cleanup.

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

    /// The tag that is stored under `key`, in the same space as this one.
    pub fn sibling(&self, key: Vec<u8>) -> Self {
        Self {
            key: Key::from(key),
            prefix_bytes: self.prefix_bytes,
        }
    }

    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Where the entries of the invalidated tag wait to be removed, in the hash slot of the tag.
    pub fn remains(&self) -> Key {
        let (prefix, name) = self.key.as_bytes().split_at(self.prefix_bytes);
        slot::beside(&self.key, prefix, b"invalidated:", name)
    }
}

/// Sixteen decimal digits, which a double represents exactly.
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

/// Takes apart the output of [`stamp`]; `None` for anything that it cannot have made.
pub fn unstamp(stored: &Json) -> Option<(Vec<Version>, Json)> {
    let colon = stored.iter().position(|byte| *byte == b':')?;
    let (stamps, rest) = stored[..colon].as_chunks::<{ Version::DIGITS }>();
    let versions: Option<_> = stamps.iter().map(|digits| Version::parse(digits)).collect();
    let versions = versions.filter(|_| rest.is_empty())?;
    Some((versions, stored.slice(colon + 1..)))
}

/// A value, and before it the names of its entry's tags, each after its length: for entries whose
/// reader does not know their tags.
pub fn with_names<'a>(names: impl Iterator<Item = &'a [u8]>, value: &Json) -> Json {
    let mut named = Vec::with_capacity(value.len() + 64);
    for name in names {
        named.extend_from_slice(name.len().to_string().as_bytes());
        named.push(b':');
        named.extend_from_slice(name);
    }
    named.extend_from_slice(value);
    named.into()
}

/// Takes apart the output of [`with_names`] for this many names; `None` for anything that it cannot
/// have made.
pub fn split_names(count: usize, named: &Json) -> Option<(Vec<Json>, Json)> {
    let (mut names, mut rest) = (Vec::with_capacity(count), named.clone());
    for _ in 0..count {
        let colon = rest.iter().position(|byte| *byte == b':')?;
        let length: usize = str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
        let mut after = rest.split_off(colon + 1);
        if after.len() < length {
            return None;
        }
        rest = after.split_off(length);
        names.push(after);
    }
    Some((names, rest))
}

/// An entry that itself says which tags it has.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    pub value: Json,
    /// Its tags, if they differ from the guess.
    pub tags: Option<Vec<Tag>>,
}

fn are(versions: &[Version], current: &[Option<Version>]) -> bool {
    versions
        .iter()
        .copied()
        .map(Some)
        .eq(current.iter().copied())
}

/// Stores that know tags. An entry has the same tags whenever it is set or read with them.
pub trait Tagged: Store {
    /// What is stored for `entry`, stamp included, and the versions that `tags` have. O(tags).
    fn get_with_versions(
        &self,
        entry: &Key,
        tags: &[Tag],
    ) -> impl Future<Output = Result<(Option<Json>, Vec<Option<Version>>)>> + Send;

    /// The value of `entry`, unless one of `tags` was invalidated after it was set, or was lost. O(tags).
    fn get_tagged(
        &self,
        entry: &Key,
        tags: &[Tag],
    ) -> impl Future<Output = Result<Option<Json>>> + Send {
        async {
            let (stored, current) = self.get_with_versions(entry, tags).await?;
            let found = stored.as_ref().and_then(unstamp);
            let valid = found.filter(|(versions, _)| are(versions, &current));
            Ok(valid.map(|(_, value)| value))
        }
    }

    /// As [`Tagged::get_tagged`], for an entry that names its tags within `space` ([`with_names`]).
    /// If the `guess` is right it is one round trip, otherwise two. O(tags).
    fn get_named(
        &self,
        entry: &Key,
        space: &Tag,
        guess: &[Tag],
    ) -> impl Future<Output = Result<Option<Named>>> + Send {
        async move {
            let (stored, current) = self.get_with_versions(entry, guess).await?;
            let Some((versions, named)) = stored.as_ref().and_then(unstamp) else {
                return Ok(None);
            };
            let Some((names, value)) = split_names(versions.len(), &named) else {
                return Ok(None);
            };
            if versions.is_empty() || are(&versions, &current) {
                return Ok(Some(Named { value, tags: None }));
            }
            let within = |name: &Json| space.sibling([space.key().as_bytes(), name].concat());
            let tags: Vec<Tag> = names.iter().map(within).collect();
            if tags == guess || !Box::pin(self.have_versions(&tags, &versions)).await? {
                return Ok(None);
            }
            let tags = Some(tags);
            Ok(Some(Named { value, tags }))
        }
    }

    /// The versions that `tags` have from now on, kept for `keep` at least unless they are
    /// invalidated. O(tags).
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

    /// Sets `entry` if the tags still have the versions that were `seen`. Returns the versions
    /// under which it was set; `None`: not stored. O(tags × log of their entries).
    fn set_tagged(
        &self,
        entry: &Key,
        tags: &[Tag],
        seen: Option<&[Version]>,
        value: Json,
        ttl: Ttl,
    ) -> impl Future<Output = Result<Option<Vec<Version>>>> + Send;

    /// Invalidates every entry of `tag` at once, then removes them, in bounded steps. Returns how
    /// many there were. What is set meanwhile remains. O(entries of the tag).
    fn invalidate(&self, tag: &Tag) -> impl Future<Output = Result<u64>> + Send;

    /// Invalidates each tag whose key begins with that of `space` and continues with a match of one
    /// of `patterns`. Returns how many entries there were. O(keys in the store).
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
    fn names_come_back_with_their_value() {
        let value = Json::from_static(b"{\"a\":\"1:x\"}");
        for names in [vec![], vec!["a@x.com"], vec!["3:é", ""], vec!["12:", "\0:"]] {
            let named = with_names(names.iter().map(|name| name.as_bytes()), &value);
            let (found, rest) = split_names(names.len(), &named).unwrap();
            assert_eq!(
                (found, rest),
                (
                    names.iter().map(|n| Json::from(*n)).collect(),
                    value.clone()
                )
            );
        }
        for other in [
            "{\"a\":1}",
            "6:abc{}",
            "-1:a",
            "",
            ":",
            "18446744073709551616:x",
        ] {
            assert_eq!(split_names(1, &Json::from(other)), None, "{other}");
        }
    }

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
