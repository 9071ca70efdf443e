//! Answers on their way to JavaScript: many of them, one hand-over, one `JSON.parse`.

pub mod ffi;
pub mod layout;
pub mod receipt;
mod shape_encoder;
mod shaped;
mod shapes;
mod strings;
mod texts;

use serde_json::Value as JsonValue;

use super::buffer_pool::{BufferPool, PooledBuffer};
use crate::backplane::CallOutcome;
use crate::store::FillLease;
use crate::store::topics::Message;
use layout::{AnswerForm, AnswerRole, COMPLETION_RECORDS, NO_CHANNEL, RecordWord};
use receipt::Receipt;
use shaped::Shaped;
pub use shaped::Shaper;
pub use texts::{Begun, Texts};

/// A completion that has grown to this size is sent, and another one begun. It is small enough for
/// V8's young space, and for the parsed values of one completion to be garbage before the next.
/// With 1 MiB the collector copied all of it, which took a third of the time.
pub const COMPLETION_BYTES: usize = 64 * 1024;
/// Beyond this, V8 makes no string of it; a text this long is not read.
const LONGEST_TEXT: usize = 256 << 20;

#[derive(Debug)]
pub enum Answer {
    Undefined,
    Null,
    Bool(bool),
    /// A text that should be JSON, but may be any stored data.
    Json(Text),
    /// A text that was written where it delays nobody.
    Begun(Begun),
    /// A text that cannot be JSON.
    Unreadable,
    /// The results of a fetch. A text as above; JavaScript has to give back a lease.
    Fresh(Text),
    Stale(Text, FillLease),
    Absent(FillLease),
    /// JavaScript reads it when it has time.
    Bytes(Text),
    Error {
        code: &'static str,
        message: String,
    },
    /// Not an answer: an event of the backplane `id`.
    Event(JsonValue),
}

impl Answer {
    /// The outcome of its call.
    pub fn outcome(&self) -> CallOutcome {
        match self {
            Self::Null | Self::Absent(_) | Self::Stale(..) => CallOutcome::Missing,
            Self::Error { .. } => CallOutcome::Failed,
            _ => CallOutcome::Found,
        }
    }
}

pub type Text = bytes::Bytes;

/// How JavaScript receives the messages of a topic, encoded in the topic's tag: the number of the
/// topic and, in the lowest bit, whether its payloads are JSON.
pub mod tag {
    use crate::store::topics::SubscriptionTag;

    pub fn new(id: u32, is_json: bool) -> SubscriptionTag {
        SubscriptionTag(u64::from(id) << 1 | u64::from(is_json))
    }

    pub fn read(tag: SubscriptionTag) -> (u32, bool) {
        ((tag.0 >> 1) as u32, tag.0 & 1 == 1)
    }
}

#[derive(Debug)]
pub struct Completion {
    /// Records, one after the other (layout.rs).
    pub words: Vec<u32>,
    pub separator: u32,
    /// Texts in ASCII, which JavaScript stores and parses at one byte per character.
    pub narrow: Texts,
    /// Texts with any other characters, in UTF-8.
    pub wide: Texts,
    /// Binary messages and answers, one after the other.
    pub binary: PooledBuffer,
    pub shaped: Shaped,
    /// JSON that JavaScript has to learn before it builds a value.
    pub news: Option<String>,
    /// Answers that end a call.
    pub completed: u32,
    /// Present when there are messages: when it is dropped, there may be more of them.
    pub receipt: Option<Receipt>,
}

/// Where a value has been written.
#[derive(Clone, Copy)]
struct WrittenValue {
    form: AnswerForm,
    at: u32,
    end: u32,
}

impl WrittenValue {
    /// The form contains everything.
    fn nowhere(form: AnswerForm) -> Self {
        let (at, end) = (0, 0);
        Self { form, at, end }
    }

    fn at(form: AnswerForm, at: u32) -> Self {
        Self { form, at, end: at }
    }
}

impl Completion {
    pub fn new(pool: &BufferPool) -> Self {
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
        self.records() >= COMPLETION_RECORDS || bytes >= COMPLETION_BYTES
    }

    pub fn records(&self) -> u32 {
        self.words.len() as u32 / RecordWord::Size as u32
    }

    pub fn push(&mut self, id: u32, answer: Answer, shaper: &mut Shaper) {
        self.completed += u32::from(!matches!(answer, Answer::Event(_)));
        let (role, value) = match answer {
            Answer::Undefined => (
                AnswerRole::Value,
                WrittenValue::nowhere(AnswerForm::Undefined),
            ),
            Answer::Null => (AnswerRole::Value, WrittenValue::nowhere(AnswerForm::Null)),
            Answer::Bool(true) => (AnswerRole::Value, WrittenValue::nowhere(AnswerForm::True)),
            Answer::Bool(false) => (AnswerRole::Value, WrittenValue::nowhere(AnswerForm::False)),
            Answer::Json(text) => (AnswerRole::Value, self.write_json(&text, shaper)),
            Answer::Begun(begun) => (AnswerRole::Value, self.begin(begun)),
            Answer::Unreadable => (
                AnswerRole::Value,
                WrittenValue::nowhere(AnswerForm::Unreadable),
            ),
            Answer::Fresh(text) => (AnswerRole::Fresh, self.write_json(&text, shaper)),
            Answer::Stale(text, lease) => {
                let value = self.write_json(&text, shaper);
                return self.record(id, AnswerRole::Stale, value, NO_CHANNEL, lease);
            }
            Answer::Absent(lease) => {
                let nothing = WrittenValue::nowhere(AnswerForm::Undefined);
                return self.record(id, AnswerRole::Absent, nothing, NO_CHANNEL, lease);
            }
            Answer::Bytes(bytes) => (AnswerRole::Value, self.write_bytes(&bytes)),
            Answer::Error { code, message } => {
                let error = serde_json::json!([code, message]);
                (AnswerRole::Error, self.write_value(&error))
            }
            Answer::Event(event) => (AnswerRole::Event, self.write_value(&event)),
        };
        self.record(id, role, value, NO_CHANNEL, FillLease(0));
    }

    pub fn push_message(&mut self, message: &Message, shaper: &mut Shaper) {
        let (id, is_json) = tag::read(message.tag);
        let mut channel_at = NO_CHANNEL;
        let value = if is_json {
            self.write_json(&message.payload, shaper)
        } else {
            if let Some(channel) = &message.channel {
                channel_at = self.write_bytes(channel).at;
            }
            self.write_bytes(&message.payload)
        };
        self.record(id, AnswerRole::Message, value, channel_at, FillLease(0));
    }

    fn record(
        &mut self,
        id: u32,
        role: AnswerRole,
        value: WrittenValue,
        channel_at: u32,
        FillLease(lease): FillLease,
    ) {
        let mut record = [0; RecordWord::Size as usize];
        record[RecordWord::Id as usize] = id;
        record[RecordWord::Role as usize] = role as u32;
        record[RecordWord::Form as usize] = value.form as u32;
        record[RecordWord::At as usize] = value.at;
        record[RecordWord::End as usize] = value.end;
        record[RecordWord::ChannelAt as usize] = channel_at;
        record[RecordWord::LeaseHigh as usize] = (lease >> 32) as u32;
        record[RecordWord::LeaseLow as usize] = lease as u32;
        self.words.extend(record);
    }

    /// Closes the arrays.
    pub fn finish(&mut self, shaper: &mut Shaper) {
        for texts in [&mut self.narrow, &mut self.wide] {
            if texts.values > 0 {
                texts.joined.push(b']');
            }
        }
        self.shaped.finish();
        self.news = shaper.end_completion();
    }

    fn write_json(&mut self, text: &[u8], shaper: &mut Shaper) -> WrittenValue {
        // Data that is not UTF-8 is not JSON.
        let text = std::str::from_utf8(text).ok();
        let Some(text) = text.filter(|text| text.len() <= LONGEST_TEXT) else {
            return WrittenValue::nowhere(AnswerForm::Unreadable);
        };
        match self.shaped.push(text, shaper) {
            Some(at) => WrittenValue::at(AnswerForm::Shaped, at),
            None if text.is_ascii() => self.write_narrow(text),
            None => self.write_wide(text),
        }
    }

    fn begin(&mut self, begun: Begun) -> WrittenValue {
        if begun.bytes() > LONGEST_TEXT {
            return WrittenValue::nowhere(AnswerForm::Unreadable);
        }
        let (form, texts) = match begun.is_ascii {
            true => (AnswerForm::Narrow, &mut self.narrow),
            false => (AnswerForm::Wide, &mut self.wide),
        };
        WrittenValue::at(form, texts.begin(begun, self.separator))
    }

    fn write_narrow(&mut self, text: &str) -> WrittenValue {
        let at = self.narrow.append(text.as_bytes(), self.separator);
        WrittenValue::at(AnswerForm::Narrow, at)
    }

    fn write_wide(&mut self, text: &str) -> WrittenValue {
        let at = self.wide.append(text.as_bytes(), self.separator);
        WrittenValue::at(AnswerForm::Wide, at)
    }

    /// Errors and events: rare, and always in the wide text, whatever they contain.
    fn write_value(&mut self, value: &JsonValue) -> WrittenValue {
        self.write_wide(&value.to_string())
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> WrittenValue {
        let at = self.binary.len() as u32;
        self.binary.extend_from_slice(bytes);
        let end = self.binary.len() as u32;
        let form = AnswerForm::Binary;
        WrittenValue { form, at, end }
    }
}

#[cfg(test)]
mod tests;
