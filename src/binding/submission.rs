//! One tick's calls, as JavaScript wrote them into shared memory.
//!
//! - `words`: numbers, one call after the other. Each begins with its [`CallWord`]s, which say how
//!   many words, how much text and how large a value belong to it; its arguments follow. So a call
//!   that cannot be decoded takes nothing from those behind it.
//! - `text`: the texts of all calls, joined. Lengths are in UTF-16 units, as in JavaScript. As long
//!   as the text is ASCII, which its length tells, these are bytes.
//! - `bytes`: all values, joined; lengths are in bytes. A value that is too large for the shared
//!   memory is passed separately, and a negative length gives its index.

use std::time::Instant;

use bytes::Bytes;
use napi_derive::napi;

/// The beginning of each call. JavaScript gets these numbers from the addon (`lib/queue.js`).
#[napi]
#[derive(Clone, Copy)]
pub enum CallWord {
    /// Words of the call, including these.
    Size,
    /// An [`Op`](super::operations::Op).
    Op,
    /// Identifies the call for its answer; or [`NO_ANSWER`].
    Id,
    Backplane,
    /// UTF-16 units of its text.
    Text,
    /// Bytes of its value; or less than 0: minus the index of the value among those that are passed
    /// separately, counted from 1.
    Value,
    /// Its arguments begin here.
    Arguments,
}

/// Used as the id of a call that expects no answer.
#[napi]
pub const NO_ANSWER: u32 = u32::MAX;

pub struct Submission {
    /// When it left JavaScript.
    pub at: Instant,
    pub words: Vec<f64>,
    pub text: Vec<u8>,
    pub text_is_ascii: bool,
    pub bytes: Bytes,
    pub extras: Vec<Bytes>,
}

/// A call as it was written.
pub struct EncodedCall<'a> {
    pub op: usize,
    pub id: Option<u32>,
    pub backplane: u32,
    pub arguments: Arguments<'a>,
}

/// Reads the calls of a submission, one after the other.
pub struct EncodedCalls<'a> {
    words: &'a [f64],
    text: &'a [u8],
    text_is_ascii: bool,
    bytes: Bytes,
    extras: &'a [Bytes],
}

/// Reads the arguments of one call in order. A missing argument reads as empty.
pub struct Arguments<'a> {
    words: std::slice::Iter<'a, f64>,
    text: &'a [u8],
    text_is_ascii: bool,
    value: Bytes,
    is_misread: bool,
}

impl Submission {
    pub fn calls(&self) -> EncodedCalls<'_> {
        EncodedCalls {
            words: &self.words,
            text: &self.text,
            text_is_ascii: self.text_is_ascii,
            bytes: self.bytes.clone(),
            extras: &self.extras,
        }
    }
}

impl<'a> Iterator for EncodedCalls<'a> {
    type Item = EncodedCall<'a>;

    fn next(&mut self) -> Option<EncodedCall<'a>> {
        let header = self.words.get(..CallWord::Arguments as usize)?;
        let word = |word: CallWord| header[word as usize];
        let size = (word(CallWord::Size) as usize).clamp(header.len(), self.words.len());
        let (words, rest) = self.words.split_at(size);
        self.words = rest;
        let id = word(CallWord::Id) as u32;
        Some(EncodedCall {
            op: word(CallWord::Op) as usize,
            id: (id != NO_ANSWER).then_some(id),
            backplane: word(CallWord::Backplane) as u32,
            arguments: Arguments {
                words: words[header.len()..].iter(),
                text: self.take_text(word(CallWord::Text) as usize),
                text_is_ascii: self.text_is_ascii,
                value: self.take_value(word(CallWord::Value)),
                is_misread: false,
            },
        })
    }
}

impl<'a> EncodedCalls<'a> {
    fn take_text(&mut self, units: usize) -> &'a [u8] {
        let end = utf8_length(self.text, units, self.text_is_ascii);
        let (text, rest) = self.text.split_at(end);
        self.text = rest;
        text
    }

    fn take_value(&mut self, length: f64) -> Bytes {
        if length < 0.0 {
            let index = -length as usize - 1;
            return self.extras.get(index).cloned().unwrap_or_default();
        }
        let length = (length as usize).min(self.bytes.len());
        self.bytes.split_to(length)
    }
}

impl Arguments<'_> {
    /// The memory that a call keeps for them: its value, and its texts twice, as they came and as
    /// the keys made of them, by which other calls wait for it.
    pub fn bytes(&self) -> usize {
        2 * self.text.len() + self.value.len()
    }

    pub fn number(&mut self) -> f64 {
        let number = self.words.next();
        self.is_misread |= number.is_none();
        number.copied().unwrap_or(0.0)
    }

    pub fn u32(&mut self) -> u32 {
        self.number() as u32
    }

    /// A 64-bit number that came as two words.
    pub fn u64(&mut self) -> u64 {
        let high = u64::from(self.u32());
        high << 32 | u64::from(self.u32())
    }

    /// One of a few, by its number.
    pub fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        let chosen = from.get(self.u32() as usize);
        self.is_misread |= chosen.is_none();
        chosen.copied().unwrap_or(from[0])
    }

    pub fn text(&self) -> Box<[u8]> {
        self.text.into()
    }

    /// Several texts that came as one; the lengths of all but the last are the next arguments.
    pub fn texts<const N: usize>(&mut self) -> [Box<[u8]>; N] {
        let mut rest = self.text;
        std::array::from_fn(|i| {
            let end = match i + 1 == N {
                true => rest.len(),
                false => utf8_length(rest, self.number() as usize, self.text_is_ascii),
            };
            let (text, after) = rest.split_at(end);
            rest = after;
            text.into()
        })
    }

    pub fn value(&self) -> Bytes {
        self.value.clone()
    }

    /// Whether every argument that was read existed, and every existing one was read.
    pub fn are_understood(&self) -> bool {
        self.words.len() == 0 && !self.is_misread
    }
}

/// Bytes that hold the first `units` UTF-16 units of a UTF-8 text.
fn utf8_length(text: &[u8], units: usize, is_ascii: bool) -> usize {
    if is_ascii {
        return units.min(text.len());
    }
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

    /// A call of `op` with the id and backplane 9.
    fn call(op: u32, text: &str, value: f64, arguments: &[f64]) -> Vec<f64> {
        let size = CallWord::Arguments as usize + arguments.len();
        let units = text.encode_utf16().count();
        let header = [size as f64, op.into(), 9.0, 9.0, units as f64, value];
        [&header[..], arguments].concat()
    }

    fn submission(calls: &[Vec<f64>], text: &str, bytes: &'static [u8]) -> Submission {
        Submission {
            at: Instant::now(),
            words: calls.concat(),
            text_is_ascii: text.is_ascii(),
            text: text.as_bytes().to_vec(),
            bytes: Bytes::from_static(bytes),
            extras: vec![Bytes::from_static(b"extra")],
        }
    }

    #[test]
    fn reads_in_order() {
        let calls = [
            call(1, "key", 2.0, &[7.0, 1.0, 2.0]),
            call(2, "other", -1.0, &[]),
        ];
        let submission = submission(&calls, "keyother", b"42");
        let mut calls = submission.calls();
        let mut first = calls.next().unwrap();
        assert_eq!((first.op, first.id, first.backplane), (1, Some(9), 9));
        assert_eq!(first.arguments.u32(), 7);
        assert_eq!(&*first.arguments.text(), b"key");
        assert_eq!(&first.arguments.value()[..], b"42");
        assert!(!first.arguments.are_understood());
        assert_eq!(first.arguments.u64(), 1 << 32 | 2);
        assert!(first.arguments.are_understood());
        let second = calls.next().unwrap();
        assert_eq!(&*second.arguments.text(), b"other");
        assert_eq!(&second.arguments.value()[..], b"extra");
        assert!(second.arguments.are_understood() && calls.next().is_none());
    }

    #[test]
    fn counts_utf16_units_in_utf8() {
        let parts = ["é", "a", "漢字", "😀x", ""];
        let calls = parts.map(|part| call(0, part, 0.0, &[]));
        let submission = submission(&calls, &parts.concat(), b"");
        let texts: Vec<_> = submission
            .calls()
            .map(|call| call.arguments.text())
            .collect();
        assert_eq!(texts, parts.map(|part| part.as_bytes().into()));
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
            let words = call(0, &whole, 0.0, &[units(texts[0]), units(texts[1])]);
            let submission = submission(&[words], &whole, b"");
            let mut call = submission.calls().next().unwrap();
            let read: [Box<[u8]>; 3] = call.arguments.texts();
            assert_eq!(
                read.each_ref().map(|text| &**text),
                texts.map(str::as_bytes)
            );
        }
    }

    #[test]
    fn what_is_read_beyond_the_end_is_empty_and_not_understood() {
        let submission = submission(&[call(0, "abc", 7.0, &[])], "abc", b"");
        let mut call = submission.calls().next().unwrap();
        let [abc, nothing]: [Box<[u8]>; 2] = call.arguments.texts();
        assert_eq!((&*nothing, &*abc), (&b"abc"[..], &b""[..]));
        assert!(call.arguments.value().is_empty());
        assert!(!call.arguments.are_understood());
    }

    #[test]
    fn a_number_that_names_nothing_is_not_understood() {
        let submission = submission(&[call(0, "", 0.0, &[1.0, 2.0])], "", b"");
        let mut call = submission.calls().next().unwrap();
        assert_eq!(call.arguments.choose(&['a', 'b']), 'b');
        assert!(!call.arguments.is_misread);
        call.arguments.choose(&['a', 'b']);
        assert!(call.arguments.is_misread);
    }

    #[test]
    fn a_call_that_is_not_understood_takes_nothing_from_the_next() {
        let calls = [
            call(1000, "é", 1.0, &[1.0, 2.0, 3.0]),
            call(1, "key", 1.0, &[4.0]),
        ];
        let submission = submission(&calls, "ékey", b"xy");
        let mut second = submission.calls().nth(1).unwrap();
        assert_eq!(second.op, 1);
        assert_eq!(&*second.arguments.text(), b"key");
        assert_eq!(&second.arguments.value()[..], b"y");
        assert_eq!(second.arguments.u32(), 4);
        assert!(second.arguments.are_understood());
    }
}
