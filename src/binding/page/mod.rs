//! Answers on their way to JavaScript: many of them, one crossing, one `JSON.parse`.

pub mod crossing;
mod shaped;
mod shapes;
mod strings;
mod texts;
mod writer;

use serde_json::Value as JsonValue;

use self::shaped::Shaped;
pub use self::shaped::Shaper;
pub use self::texts::Texts;
use super::outbox::Receipt;
use super::pool::{Pool, Pooled};
use crate::backplane::Outcome;
use crate::store::Lease;
use crate::store::topics::Message;

/// A page that has grown to this is sent, and another begun. Small enough for V8's young space,
/// and for what is parsed from one page to be garbage before the next: with 1 MiB the collector
/// copied it all, which took a third of the time.
pub const PAGE_BYTES: usize = 64 * 1024;
/// Two words each; the shared memory on the other side holds as many.
pub const PAGE_ANSWERS: usize = 4096;

#[derive(Debug)]
pub enum Answer {
    Undefined,
    Null,
    Bool(bool),
    /// A text that should be JSON, but may be anything that is stored.
    Json(Text),
    /// The answers of a fetch. A text as above; a lease is for JavaScript to give back.
    Fresh(Text),
    Stale(Text, Lease),
    Absent(Lease),
    /// For JavaScript to read in its own time.
    Bytes(Text),
    Error {
        code: &'static str,
        message: String,
    },
    /// Not an answer: something that happened to the backplane `id`.
    Event(JsonValue),
}

impl Answer {
    /// What it says of its call.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Null | Self::Absent(_) | Self::Stale(..) => Outcome::Missing,
            Self::Error { .. } => Outcome::Failed,
            _ => Outcome::Found,
        }
    }
}

pub type Text = bytes::Bytes;

/// How an answer is written, for JavaScript (`lib/page.js`).
mod kind {
    pub const UNDEFINED: u32 = 0;
    pub const NULL: u32 = 1;
    pub const TRUE: u32 = 2;
    pub const FALSE: u32 = 3;
    pub const JSON_NARROW: u32 = 4;
    pub const JSON_WIDE: u32 = 5;
    pub const ERROR: u32 = 6;
    pub const EVENT: u32 = 7;
    /// Bytes; two more words tell how many are the channel's (of a message, or none) and how many the payload's.
    pub const BINARY: u32 = 8;
    /// A value that is built of the page's codes.
    pub const SHAPED: u32 = 9;

    /// Added to the kind of the answer's text. A stale value's text is followed by its lease.
    pub const FRESH: u32 = 1 << 8;
    pub const STALE: u32 = 2 << 8;
    pub const ABSENT: u32 = 3 << 8;
    /// Not an answer: what was published to a topic.
    pub const MESSAGE: u32 = 4 << 8;
}

/// In the place of the length of a channel that the topic tells already.
const NO_CHANNEL: u32 = u32::MAX;

/// How JavaScript takes the messages of a topic, as it is told by the topic's tag: the number of
/// the topic and, in the last bit, whether its payloads are JSON.
pub mod tag {
    use crate::store::topics::Tag;

    pub fn new(id: u32, is_json: bool) -> Tag {
        Tag(u64::from(id) << 1 | u64::from(is_json))
    }

    pub fn read(tag: Tag) -> (u32, bool) {
        ((tag.0 >> 1) as u32, tag.0 & 1 == 1)
    }
}

#[derive(Debug)]
pub struct Page {
    /// Id and kind of every answer; a binary one has two more.
    pub words: Vec<u32>,
    pub separator: u32,
    /// Texts in ASCII, which JavaScript stores and parses at one byte a character.
    pub narrow: Texts,
    /// Texts that hold anything else, in UTF-8.
    pub wide: Texts,
    /// Binary messages and answers, one behind the other.
    pub binary: Pooled,
    pub shaped: Shaped,
    /// JSON for JavaScript to learn before it builds a value.
    pub news: Option<String>,
    /// Answers that end a call.
    pub completed: u32,
    /// Present when there are messages: says that there may be more of them, when it is dropped.
    pub receipt: Option<Receipt>,
}

impl Page {
    pub fn new(pool: &Pool) -> Self {
        Self {
            words: Vec::new(),
            // A small integer in V8 on every platform.
            separator: fastrand::u32(1 << 24..1 << 30),
            narrow: Texts::new(pool),
            wide: Texts::new(pool),
            binary: pool.take(),
            shaped: Shaped::new(pool),
            news: None,
            completed: 0,
            receipt: None,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub fn is_full(&self) -> bool {
        let texts = self.narrow.joined.len() + self.wide.joined.len();
        let bytes = texts + self.binary.len() + self.shaped.bytes;
        // The next may take four words.
        self.words.len() + 4 > 2 * PAGE_ANSWERS || bytes >= PAGE_BYTES
    }

    pub fn push(&mut self, id: u32, answer: Answer, shaper: &mut Shaper) {
        self.completed += u32::from(!matches!(answer, Answer::Event(_)));
        let kind = match answer {
            Answer::Undefined => kind::UNDEFINED,
            Answer::Null => kind::NULL,
            Answer::Bool(true) => kind::TRUE,
            Answer::Bool(false) => kind::FALSE,
            Answer::Json(text) => self.push_json(&text, shaper),
            Answer::Fresh(text) => kind::FRESH | self.push_json(&text, shaper),
            Answer::Stale(text, lease) => {
                let kind = self.push_json(&text, shaper);
                self.push_lease(lease);
                kind::STALE | kind
            }
            Answer::Absent(lease) => kind::ABSENT | self.push_lease(lease),
            Answer::Bytes(bytes) => return self.push_binary(id, kind::BINARY, None, &bytes),
            Answer::Error { code, message } => {
                self.push_value(&serde_json::json!([code, message]));
                kind::ERROR
            }
            Answer::Event(event) => {
                self.push_value(&event);
                kind::EVENT
            }
        };
        self.words.extend([id, kind]);
    }

    pub fn push_message(&mut self, message: &Message, shaper: &mut Shaper) {
        let (id, is_json) = tag::read(message.tag);
        if is_json {
            let kind = kind::MESSAGE | self.push_json(&message.payload, shaper);
            self.words.extend([id, kind]);
            return;
        }
        let kind = kind::MESSAGE | kind::BINARY;
        self.push_binary(id, kind, message.channel.as_deref(), &message.payload);
    }

    fn push_binary(&mut self, id: u32, kind: u32, channel: Option<&[u8]>, payload: &[u8]) {
        let channel_bytes = channel.map_or(NO_CHANNEL, |channel| channel.len() as u32);
        self.binary.extend_from_slice(channel.unwrap_or_default());
        self.binary.extend_from_slice(payload);
        let payload_bytes = payload.len() as u32;
        self.words.extend([id, kind, channel_bytes, payload_bytes]);
    }

    /// Closes the arrays.
    pub fn finish(&mut self, shaper: &mut Shaper) {
        for texts in [&mut self.narrow, &mut self.wide] {
            if texts.values > 0 {
                texts.joined.push(b']');
            }
        }
        self.shaped.finish();
        self.news = shaper.end_page();
    }

    /// Two words: JavaScript has no integers of 64 bits.
    fn push_lease(&mut self, lease: Lease) -> u32 {
        let words = format!("[{},{}]", lease.0 >> 32, lease.0 & 0xffff_ffff);
        self.push_text(&words)
    }

    fn push_json(&mut self, text: &[u8], shaper: &mut Shaper) -> u32 {
        match std::str::from_utf8(text) {
            Ok(text) if self.shaped.push(text, shaper) => kind::SHAPED,
            Ok(text) => self.push_text(text),
            // Not UTF-8, so not JSON: a miss, as any other text that is not JSON.
            Err(_) => kind::NULL,
        }
    }

    fn push_text(&mut self, text: &str) -> u32 {
        if text.is_ascii() {
            self.narrow.append(text.as_bytes(), self.separator);
            return kind::JSON_NARROW;
        }
        self.wide.append(text.as_bytes(), self.separator);
        kind::JSON_WIDE
    }

    /// Errors and events: rare, and always in the wide text, whatever they hold.
    fn push_value(&mut self, value: &JsonValue) {
        self.wide
            .append(value.to_string().as_bytes(), self.separator);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &'static str) -> Answer {
        Answer::Json(Text::from_static(text.as_bytes()))
    }

    #[test]
    fn texts_are_joined_with_the_separator_behind_each() {
        let mut page = Page::new(&Pool::default());
        page.push(1, json(r#"{"a":1}"#), &mut Shaper::new(false));
        page.push(2, json("\"é\""), &mut Shaper::new(false));
        page.push(3, json("2"), &mut Shaper::new(false));
        page.push(4, Answer::Bool(true), &mut Shaper::new(false));
        page.finish(&mut Shaper::new(false));
        let s = page.separator;
        assert_eq!(page.words, [1, 4, 2, 5, 3, 4, 4, 2]);
        assert_eq!(
            *page.narrow.joined,
            format!(r#"[{{"a":1}},{s},2,{s}]"#).as_bytes()
        );
        assert_eq!(*page.wide.joined, format!("[\"é\",{s}]").as_bytes());
        assert_eq!(page.completed, 4);
    }

    #[test]
    fn values_of_known_shapes_come_as_codes_beside_the_texts() {
        let mut shaper = Shaper::new(true);
        let mut page = Page::new(&Pool::default());
        while page.words.last() != Some(&kind::SHAPED) {
            page.push(1, json(r#"{"a":"x"}"#), &mut shaper);
        }
        page.finish(&mut shaper);
        assert_eq!(page.news.unwrap(), r#"{"isAnew":false,"shapes":[["a"]]}"#);

        let mut page = Page::new(&Pool::default());
        page.push(2, json(r#"{"a":"x"}"#), &mut shaper);
        page.push(3, json("no JSON"), &mut shaper);
        page.finish(&mut shaper);
        let s = page.separator;
        assert_eq!(page.words, [2, kind::SHAPED, 3, kind::JSON_NARROW]);
        assert_eq!(*page.narrow.joined, format!("[no JSON,{s}]").as_bytes());
        assert_eq!(page.news, None);
    }

    #[test]
    fn a_lease_comes_beside_the_text_never_inside() {
        let mut page = Page::new(&Pool::default());
        page.push(
            1,
            Answer::Stale(Text::from_static(b"1,2"), Lease(1 << 32 | 7)),
            &mut Shaper::new(false),
        );
        page.push(2, Answer::Absent(Lease(3)), &mut Shaper::new(false));
        page.finish(&mut Shaper::new(false));
        let s = page.separator;
        assert_eq!(page.words, [1, kind::STALE | 4, 2, kind::ABSENT | 4]);
        assert_eq!(
            *page.narrow.joined,
            format!("[1,2,{s},[1,7],{s},[0,3],{s}]").as_bytes()
        );
    }

    #[test]
    fn a_message_is_json_or_bytes_as_its_tag_says() {
        let message = |tag, channel: Option<&'static str>| Message {
            tag,
            channel: channel.map(Text::from),
            payload: Text::from_static(b"[1]"),
        };
        let mut page = Page::new(&Pool::default());
        page.push_message(&message(tag::new(7, true), None), &mut Shaper::new(false));
        page.push_message(&message(tag::new(8, false), None), &mut Shaper::new(false));
        page.push_message(
            &message(tag::new(9, false), Some("news")),
            &mut Shaper::new(false),
        );
        let binary = kind::MESSAGE | kind::BINARY;
        assert_eq!(page.words[..2], [7, kind::MESSAGE | kind::JSON_NARROW]);
        assert_eq!(page.words[2..6], [8, binary, NO_CHANNEL, 3]);
        assert_eq!(page.words[6..], [9, binary, 4, 3]);
        assert_eq!(*page.binary, b"[1]news[1]");
        assert_eq!(page.completed, 0);
    }

    #[test]
    fn bytes_come_beside_the_texts() {
        let mut page = Page::new(&Pool::default());
        page.push(
            1,
            Answer::Bytes(Text::from_static(b"[1]\0[2]")),
            &mut Shaper::new(false),
        );
        page.push(2, json("3"), &mut Shaper::new(false));
        assert_eq!(
            page.words,
            [1, kind::BINARY, NO_CHANNEL, 7, 2, kind::JSON_NARROW]
        );
        assert_eq!(*page.binary, b"[1]\0[2]");
        assert_eq!(page.completed, 2);
    }

    #[test]
    fn bytes_that_are_no_text_are_a_miss() {
        let mut page = Page::new(&Pool::default());
        page.push(
            1,
            Answer::Json(Text::from_static(&[0xff, 0xfe])),
            &mut Shaper::new(false),
        );
        page.finish(&mut Shaper::new(false));
        assert_eq!(page.words, [1, kind::NULL]);
        assert_eq!(page.wide.values, 0);
    }
}
