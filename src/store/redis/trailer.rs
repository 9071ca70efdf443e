//! What this package must know about a cached value, stored behind it as white space.
//!
//! `cache:<key>` holds a JSON text that other clients read too, so there is room for nothing else.
//! But JSON allows white space after a text, and nobody writes any. Two kinds of value have such a
//! trailer: one that may be served stale, and the placeholder of a lease, the text `null`, which
//! other clients read as the miss that it is.
//!
//! Layout: 4 bytes of magic, then milliseconds (24 digits) and lease (32 digits), two bits each.

use crate::store::FillLease;

const MAGIC: &[u8; 4] = b"\r\t\n\r";
const DIGITS: &[u8; 4] = b" \t\n\r";
const MS_DIGITS: usize = 24;
const LEASE_DIGITS: usize = 32;
const TRAILER_BYTES: usize = MAGIC.len() + MS_DIGITS + LEASE_DIGITS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// How long the value is kept after it stopped being fresh; 0: there is no value, only a lease.
    pub stale_ms: u64,
    pub lease: FillLease,
}

impl Trailer {
    /// Splits a stored value. The second part exists only if this package wrote it.
    pub fn split(stored: &[u8]) -> (&[u8], Option<Self>) {
        let ends_in_space = stored.last().is_some_and(u8::is_ascii_whitespace);
        if !ends_in_space || stored.len() <= TRAILER_BYTES {
            return (stored, None);
        }
        let (text, trailer) = stored.split_at(stored.len() - TRAILER_BYTES);
        match Self::decode(trailer) {
            Some(trailer) => (text, Some(trailer)),
            None => (stored, None),
        }
    }

    pub fn append_to(self, stored: &mut Vec<u8>) {
        stored.extend_from_slice(MAGIC);
        push_digits(stored, self.stale_ms, MS_DIGITS);
        push_digits(stored, self.lease.0, LEASE_DIGITS);
    }

    pub fn is_placeholder(self) -> bool {
        self.stale_ms == 0
    }

    /// The value of a key that is being loaded.
    pub fn placeholder(lease: FillLease) -> Vec<u8> {
        let mut stored = b"null".to_vec();
        Self { stale_ms: 0, lease }.append_to(&mut stored);
        stored
    }

    /// The trailer of a value under `lease`.
    pub fn lease_digits(lease: FillLease) -> Vec<u8> {
        let mut digits = Vec::with_capacity(LEASE_DIGITS);
        push_digits(&mut digits, lease.0, LEASE_DIGITS);
        digits
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let digits = bytes.strip_prefix(MAGIC)?;
        let (ms, lease) = digits.split_at(MS_DIGITS);
        Some(Self {
            stale_ms: read_digits(ms)?,
            lease: FillLease(read_digits(lease)?),
        })
    }
}

fn push_digits(stored: &mut Vec<u8>, value: u64, count: usize) {
    for place in (0..count).rev() {
        stored.push(DIGITS[(value >> (2 * place)) as usize & 3]);
    }
}

fn read_digits(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        let bits = DIGITS.iter().position(|d| d == digit)?;
        Some(value << 2 | bits as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_and_leaves_json_json() {
        for (stale_ms, lease) in [(0, 1), (86_400_000, u64::MAX), ((1 << 48) - 1, 42)] {
            let trailer = Trailer {
                stale_ms,
                lease: FillLease(lease),
            };
            let mut stored = br#"{"a":1}"#.to_vec();
            trailer.append_to(&mut stored);
            assert_eq!(Trailer::split(&stored), (&br#"{"a":1}"#[..], Some(trailer)));
            let parsed: serde_json::Value = serde_json::from_slice(&stored).unwrap();
            assert_eq!(parsed["a"], 1);
        }
    }

    #[test]
    fn other_white_space_is_left_alone() {
        let padded = [b"1".as_slice(), &[b' '; 200]].concat();
        assert_eq!(Trailer::split(&padded), (&padded[..], None));
        assert_eq!(Trailer::split(b"1 "), (&b"1 "[..], None));
        assert_eq!(Trailer::split(b""), (&b""[..], None));
    }
}
