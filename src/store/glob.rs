//! Redis glob patterns, for the store that has no SCAN: `*`, `?`, `[a-z]`, `[^a]`, `\x`.
//!
//! Bytes, not characters, as in Redis. A `*` is matched by remembering the last one and moving it
//! forward after a mismatch, so the time is O(pattern × text) in the worst case, never exponential.

use super::types::Key;

/// A glob in UTF-8 as the caller wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(Box<[u8]>);

impl Pattern {
    pub fn new(glob: &[u8]) -> Self {
        Self(glob.into())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn matches(&self, text: &[u8]) -> bool {
        let glob = &self.0;
        let (mut g, mut t) = (0, 0);
        let mut last_star: Option<(usize, usize)> = None;
        loop {
            if g < glob.len() && glob[g] == b'*' {
                last_star = Some((g + 1, t));
                g += 1;
                continue;
            }
            if t == text.len() {
                return g == glob.len();
            }
            match match_one(&glob[g..], text[t]) {
                Some(consumed) => {
                    g += consumed;
                    t += 1;
                }
                None => match last_star {
                    Some((after_star, tried)) => {
                        last_star = Some((after_star, tried + 1));
                        g = after_star;
                        t = tried + 1;
                    }
                    None => return false,
                },
            }
        }
    }
}

/// Whether `key` begins with one of `spaces` and continues with a match of one of `patterns`.
pub fn matches_in(spaces: &[&Key], patterns: &[Pattern], key: &[u8]) -> bool {
    spaces
        .iter()
        .filter_map(|space| key.strip_prefix(space.as_bytes()))
        .any(|rest| patterns.iter().any(|pattern| pattern.matches(rest)))
}

/// Escapes the characters that are special in a glob.
pub fn escape(text: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(text.len());
    for &byte in text {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\') {
            escaped.push(b'\\');
        }
        escaped.push(byte);
    }
    escaped
}

/// Matches one byte against the first element of `glob` (never a `*`). Returns the length of that
/// element, or `None` if it does not match.
fn match_one(glob: &[u8], byte: u8) -> Option<usize> {
    match *glob.first()? {
        b'?' => Some(1),
        b'[' => match_class(glob, byte),
        b'\\' if glob.len() > 1 => (glob[1] == byte).then_some(2),
        literal => (literal == byte).then_some(1),
    }
}

/// `glob` begins with `[`. A class that is never closed ends with the pattern, as in Redis.
fn match_class(glob: &[u8], byte: u8) -> Option<usize> {
    let negated = glob.get(1) == Some(&b'^');
    let mut at = if negated { 2 } else { 1 };
    let mut found = false;
    while at < glob.len() && glob[at] != b']' {
        if glob[at] == b'\\' && at + 1 < glob.len() {
            found |= glob[at + 1] == byte;
            at += 2;
        } else if glob.get(at + 1) == Some(&b'-') && at + 2 < glob.len() {
            let (low, high) = (glob[at].min(glob[at + 2]), glob[at].max(glob[at + 2]));
            found |= (low..=high).contains(&byte);
            at += 3;
        } else {
            found |= glob[at] == byte;
            at += 1;
        }
    }
    let length = (at + 1).min(glob.len());
    (found != negated).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(glob: &str, text: &str) -> bool {
        Pattern::new(glob.as_bytes()).matches(text.as_bytes())
    }

    #[test]
    fn stars_and_single_bytes() {
        assert!(matches("*", ""));
        assert!(matches("a*b*c", "a--b--b--c"));
        assert!(!matches("a*b*c", "a--b--"));
        assert!(matches("h?llo", "hello"));
        assert!(!matches("h?llo", "hllo"));
        assert!(!matches("", "x"));
        assert!(matches("", ""));
    }

    #[test]
    fn classes_ranges_and_escapes() {
        assert!(matches("[a-c]x", "bx"));
        assert!(matches("[c-a]x", "bx"));
        assert!(!matches("[^a-c]x", "bx"));
        assert!(matches(r"\*", "*"));
        assert!(!matches(r"\*", "x"));
        assert!(matches(r"[\]]", "]"));
        assert!(matches("[abc", "b"));
    }

    #[test]
    fn many_stars_do_not_explode() {
        assert!(!matches(&"*a".repeat(1000), &"a".repeat(999)));
    }

    #[test]
    fn an_escaped_text_matches_itself_only() {
        let text = br"a*b?[c]\d";
        let pattern = Pattern::new(&escape(text));
        assert!(pattern.matches(text));
        assert!(!pattern.matches(br"aXb?[c]\d"));
    }
}
