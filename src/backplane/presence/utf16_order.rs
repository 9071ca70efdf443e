//! Texts in the order of JavaScript's `sort`.

use std::cmp::Ordering;

#[derive(PartialEq, Eq)]
pub struct Utf16Order(pub Box<str>);

impl Ord for Utf16Order {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for Utf16Order {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// UTF-8 has the same order, except for characters after the surrogates, whose first bytes are
/// these.
fn compare(a: &str, b: &str) -> Ordering {
    const AFTER_SURROGATES: u8 = 0xee;
    let differ = a.bytes().zip(b.bytes()).find(|(a, b)| a != b);
    match differ {
        Some((a_byte, b_byte)) if a_byte.max(b_byte) >= AFTER_SURROGATES => {
            a.encode_utf16().cmp(b.encode_utf16())
        }
        Some((a_byte, b_byte)) => a_byte.cmp(&b_byte),
        None => a.len().cmp(&b.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_as_javascript_does() {
        let texts = [
            "",
            "a",
            "ab",
            "b",
            "é",
            "漢",
            "\u{d7ff}",
            "\u{e000}",
            "\u{ffff}",
            "😀",
            "a😀",
            "a\u{ffff}",
        ];
        for a in texts {
            for b in texts {
                assert_eq!(
                    compare(a, b),
                    a.encode_utf16().cmp(b.encode_utf16()),
                    "{a} {b}"
                );
            }
        }
    }
}
