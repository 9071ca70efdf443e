//! One tick's calls, as JavaScript wrote them into shared memory.
//!
//! - `words`: numbers, one call after the other: operation, id, backplane, then its arguments.
//!   A string is there as its length.
//! - `text`: all short strings, joined. Lengths count UTF-16 units, as JavaScript does; as long
//!   as the text is ASCII, which is told by its length, these are bytes.
//! - `bytes`: all values, joined; lengths count bytes. A value that is too large for the shared
//!   memory comes by itself, and its place is told by a negative length.

use std::time::Instant;

use bytes::Bytes;

pub struct Submission {
    /// When it left JavaScript.
    pub at: Instant,
    pub words: Vec<f64>,
    pub text: Vec<u8>,
    pub text_is_ascii: bool,
    pub bytes: Bytes,
    pub extras: Vec<Bytes>,
}

/// Reads a submission from front to end. What does not fit reads as empty: the two ends are
/// built together, and a panic would cost every call of the batch.
pub struct Reader<'a> {
    words: std::slice::Iter<'a, f64>,
    text: &'a [u8],
    text_is_ascii: bool,
    bytes: Bytes,
    extras: &'a [Bytes],
}

impl<'a> Reader<'a> {
    pub fn new(submission: &'a Submission) -> Self {
        Self {
            words: submission.words.iter(),
            text: &submission.text,
            text_is_ascii: submission.text_is_ascii,
            bytes: submission.bytes.clone(),
            extras: &submission.extras,
        }
    }

    pub fn is_done(&self) -> bool {
        self.words.len() == 0
    }

    pub fn number(&mut self) -> f64 {
        self.words.next().copied().unwrap_or(0.0)
    }

    pub fn u32(&mut self) -> u32 {
        self.number() as u32
    }

    /// A 64-bit number that came as two words.
    pub fn u64(&mut self) -> u64 {
        let high = u64::from(self.u32());
        high << 32 | u64::from(self.u32())
    }

    pub fn text(&mut self) -> Box<[u8]> {
        let end = self.length(self.text);
        let (text, rest) = self.text.split_at(end);
        self.text = rest;
        text.into()
    }

    /// Several texts that came as one; the lengths of all but the last follow that of the whole.
    pub fn texts<const N: usize>(&mut self) -> [Box<[u8]>; N] {
        let whole = self.text();
        let mut rest = &whole[..];
        std::array::from_fn(|i| {
            let end = match i + 1 == N {
                true => rest.len(),
                false => self.length(rest),
            };
            let (text, after) = rest.split_at(end);
            rest = after;
            text.into()
        })
    }

    /// Reads a length in UTF-16 units; answers it in bytes of `text`.
    fn length(&mut self, text: &[u8]) -> usize {
        let units = self.number() as usize;
        match self.text_is_ascii {
            true => units.min(text.len()),
            false => utf8_length(text, units),
        }
    }

    pub fn value(&mut self) -> Bytes {
        let length = self.number();
        if length < 0.0 {
            let index = -length as usize - 1;
            return self.extras.get(index).cloned().unwrap_or_default();
        }
        let length = (length as usize).min(self.bytes.len());
        self.bytes.split_to(length)
    }
}

/// Bytes that hold the first `units` UTF-16 units of a UTF-8 text.
fn utf8_length(text: &[u8], units: usize) -> usize {
    let mut seen = 0;
    let mut at = 0;
    while at < text.len() && seen < units {
        let (bytes, size) = match text[at] {
            0x00..=0x7f => (1, 1),
            0x80..=0xdf => (2, 1),
            0xe0..=0xef => (3, 1),
            _ => (4, 2),
        };
        at += bytes;
        seen += size;
    }
    at.min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submission(words: Vec<f64>, text: &str, bytes: &'static [u8]) -> Submission {
        Submission {
            at: Instant::now(),
            words,
            text_is_ascii: text.is_ascii(),
            text: text.as_bytes().to_vec(),
            bytes: Bytes::from_static(bytes),
            extras: vec![Bytes::from_static(b"extra")],
        }
    }

    #[test]
    fn reads_in_order() {
        let submission = submission(vec![7.0, 3.0, 2.0, -1.0, 1.0, 2.0], "keyrest", b"42");
        let mut reader = Reader::new(&submission);
        assert_eq!(reader.u32(), 7);
        assert_eq!(&*reader.text(), b"key");
        assert_eq!(&reader.value()[..], b"42");
        assert_eq!(&reader.value()[..], b"extra");
        assert_eq!(reader.u64(), 1 << 32 | 2);
        assert!(reader.is_done());
    }

    #[test]
    fn counts_utf16_units_in_utf8() {
        let parts = ["é", "a", "漢字", "😀x", ""];
        let units = parts.map(|part| part.encode_utf16().count() as f64);
        let submission = submission(units.to_vec(), &parts.concat(), b"");
        let mut reader = Reader::new(&submission);
        for part in parts {
            assert_eq!(&*reader.text(), part.as_bytes());
        }
    }

    #[test]
    fn takes_texts_apart() {
        let all = [
            ["ab", "c", ""],
            ["é😀", "漢", "x"],
            ["", "x", "é"],
            ["x", "", ""],
        ];
        for texts in all {
            let units = |text: &str| text.encode_utf16().count() as f64;
            let whole = texts.concat();
            let words = vec![units(&whole), units(texts[0]), units(texts[1])];
            let submission = submission(words, &whole, b"");
            let read: [Box<[u8]>; 3] = Reader::new(&submission).texts();
            assert_eq!(
                read.each_ref().map(|text| &**text),
                texts.map(str::as_bytes)
            );
        }
    }

    #[test]
    fn a_short_submission_reads_as_empty() {
        let submission = submission(vec![100.0], "abc", b"");
        let mut reader = Reader::new(&submission);
        assert_eq!(&*reader.text(), b"abc");
        assert_eq!(&*reader.text(), b"");
        assert!(reader.value().is_empty());
    }
}
