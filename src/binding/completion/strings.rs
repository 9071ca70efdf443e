//! The strings of a completion's values.
//!
//! `JSON.parse` looks short strings up in V8's table of strings, which takes longer than everything
//! else about them. So these strings bypass it.

use crate::binding::buffer_pool::{BufferPool, PooledBuffer};

/// A JSON array, or nothing; or short strings, one after the other, which are sliced off one by
/// one.
#[derive(Debug)]
pub struct Strings {
    pub joined: PooledBuffer,
    count: u32,
}

/// V8 copies up to this length when it slices. For longer ones it creates a view, which would keep
/// the completion's text alive.
pub const SHORT_BYTES: usize = 12;

impl Strings {
    pub fn new(pool: &BufferPool) -> Self {
        Self {
            joined: pool.take(),
            count: 0,
        }
    }

    /// A JSON string. Returns its number.
    pub fn push_quoted(&mut self, quoted: &str) -> u32 {
        self.begin_item();
        self.joined.extend_from_slice(quoted.as_bytes());
        self.count - 1
    }

    /// A string that needs no escapes.
    pub fn push_plain(&mut self, text: &str) -> u32 {
        self.begin_item();
        self.joined.push(b'"');
        self.joined.extend_from_slice(text.as_bytes());
        self.joined.push(b'"');
        self.count - 1
    }

    fn begin_item(&mut self) {
        self.joined.push(if self.count == 0 { b'[' } else { b',' });
        self.count += 1;
    }

    fn push_short(&mut self, text: &str) {
        self.joined.extend_from_slice(text.as_bytes());
        self.count += 1;
    }

    /// Closes the array.
    pub fn finish(&mut self) {
        if self.count > 0 {
            self.joined.push(b']');
        }
    }

    pub fn mark(&self) -> (usize, u32) {
        (self.joined.len(), self.count)
    }

    pub fn cut(&mut self, (bytes, count): (usize, u32)) {
        self.joined.truncate(bytes);
        self.count = count;
    }
}

/// The positions of recently written short strings. If two share a slot, the later one is kept.
#[derive(Debug)]
pub struct SeenStrings {
    slots: Box<[Option<SeenSlot>; SLOTS]>,
    is_clean: bool,
}

const SLOTS: usize = 512;

#[derive(Clone, Copy, Debug)]
struct SeenSlot {
    start: u32,
    bytes: u8,
    number: u32,
}

impl Default for SeenStrings {
    fn default() -> Self {
        Self {
            slots: Box::new([None; SLOTS]),
            is_clean: true,
        }
    }
}

impl SeenStrings {
    /// The number of a string, which is written if it is new, and whether it was there.
    pub fn find_or_push(&mut self, text: &str, strings: &mut Strings) -> (u32, bool) {
        let slot = &mut self.slots[hash(text.as_bytes()) % SLOTS];
        if let Some(SeenSlot {
            start,
            bytes,
            number,
        }) = *slot
        {
            let start = start as usize;
            if strings.joined[start..start + usize::from(bytes)] == *text.as_bytes() {
                return (number, true);
            }
        }
        let number = strings.count;
        *slot = Some(SeenSlot {
            start: strings.joined.len() as u32,
            bytes: text.len() as u8,
            number,
        });
        strings.push_short(text);
        self.is_clean = false;
        (number, false)
    }

    /// Must be called when strings have been cut off, and for another completion.
    pub fn forget(&mut self) {
        if !self.is_clean {
            self.slots.fill(None);
            self.is_clean = true;
        }
    }
}

/// FNV-1a, for short strings.
fn hash(bytes: &[u8]) -> usize {
    let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    let hash = bytes.iter().fold(0x811c_9dc5, mix);
    (hash ^ hash >> 15) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_one_array() {
        let mut strings = Strings::new(&BufferPool::default());
        assert_eq!(strings.push_plain("é"), 0);
        let mark = strings.mark();
        assert_eq!(strings.push_plain("gone"), 1);
        strings.cut(mark);
        assert_eq!(strings.push_quoted(r#""\n""#), 1);
        strings.finish();
        assert_eq!(*strings.joined, r#"["é","\n"]"#.as_bytes());
    }

    #[test]
    fn a_short_string_is_written_once() {
        let (mut seen, mut strings) =
            (SeenStrings::default(), Strings::new(&BufferPool::default()));
        let texts = ["", "a", "ab", "a", "\"\n", "", "ab", "b", "\"\n"];
        let numbers = texts.map(|text| seen.find_or_push(text, &mut strings));
        let (new, again) = (|number| (number, false), |number| (number, true));
        let expected = [
            new(0),
            new(1),
            new(2),
            again(1),
            new(3),
            again(0),
            again(2),
            new(4),
            again(3),
        ];
        assert_eq!(numbers, expected);
        assert_eq!(*strings.joined, b"aab\"\nb");
    }

    #[test]
    fn what_was_cut_off_is_written_again() {
        let (mut seen, mut strings) =
            (SeenStrings::default(), Strings::new(&BufferPool::default()));
        seen.find_or_push("stays", &mut strings);
        let mark = strings.mark();
        seen.find_or_push("gone", &mut strings);
        strings.cut(mark);
        seen.forget();
        assert_eq!(seen.find_or_push("other", &mut strings), (1, false));
        assert_eq!(seen.find_or_push("gone", &mut strings), (2, false));
        assert_eq!(seen.find_or_push("other", &mut strings), (1, true));
        assert_eq!(*strings.joined, b"staysothergone");
    }

    #[test]
    fn many_strings_keep_their_numbers() {
        let (mut seen, mut strings) =
            (SeenStrings::default(), Strings::new(&BufferPool::default()));
        let mut written = Vec::new();
        for i in 0..20 * SLOTS {
            let text = (i % 3000).to_string();
            match seen.find_or_push(&text, &mut strings) {
                (number, true) => assert_eq!(written[number as usize], text),
                (number, false) => {
                    assert_eq!(number as usize, written.len());
                    written.push(text);
                }
            }
        }
        assert_eq!(*strings.joined, written.concat().as_bytes());
    }

    #[test]
    fn no_string_is_no_array() {
        let mut strings = Strings::new(&BufferPool::default());
        strings.finish();
        assert!(strings.joined.is_empty());
    }
}
