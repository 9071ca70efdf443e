//! How a completion is laid out: the one description that both ends go by. JavaScript gets these numbers
//! from the addon (`lib/completion.js`, `lib/shaped.js`), so neither end has a copy of its own.
//!
//! Every answer is a record of [`RecordWord::Size`] words, which says where on the completion its value
//! stands. So an answer takes exactly what was written for it, whatever its neighbours hold, and
//! one that cannot be read fails alone.

use napi_derive::napi;

/// The words of a record, in their order.
#[napi]
#[derive(Clone, Copy)]
pub enum RecordWord {
    /// Of the call, the backplane or the topic that the record is for.
    Id,
    /// An [`AnswerRole`].
    Role,
    /// An [`AnswerForm`].
    Form,
    /// Where the value begins: the number of a text, of a code, or of a byte.
    At,
    /// Of bytes, where they end.
    End,
    /// Of a message in bytes: where the name of its channel begins, which ends where the payload
    /// begins; or [`NO_CHANNEL`].
    ChannelAt,
    /// Of an answer with a lease: its upper and its lower 32 bits.
    LeaseHigh,
    LeaseLow,
    /// As many words are in a record.
    Size,
}

/// What a record is for.
#[napi]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnswerRole {
    /// The value that a call answers.
    Value,
    /// The answers of a fetch: a value; an old value and a lease; a lease.
    Fresh,
    Stale,
    Absent,
    /// A call rejects; the value is `[code, message]`.
    Error,
    /// Not an answer: something that happened to a backplane.
    Event,
    /// Not an answer: what was published to a topic.
    Message,
}

/// How a value is written.
#[napi]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnswerForm {
    Undefined,
    Null,
    True,
    False,
    /// A text that should be JSON, in ASCII.
    Narrow,
    /// A text that should be JSON, with other characters.
    Wide,
    /// Codes, of which a value is built.
    Shaped,
    /// Bytes.
    Binary,
    /// Stored bytes that are certainly not JSON, and did not come along.
    Unreadable,
}

/// In the place of a channel that the topic tells already.
#[napi]
pub const NO_CHANNEL: u32 = u32::MAX;

/// A completion holds at most as many records, codes, doubles and short strings.
#[napi]
pub const COMPLETION_RECORDS: u32 = 4096;
#[napi]
pub const COMPLETION_CODES: u32 = 48 * 1024;
#[napi]
pub const COMPLETION_DOUBLES: u32 = 32 * 1024;
#[napi]
pub const COMPLETION_SHORTS: u32 = 32 * 1024;

/// The last bits of a code say what it is (a [`CodeKind`]); the rest is a number.
#[napi]
pub const CODE_BITS: u32 = 3;

#[napi]
#[derive(Clone, Copy)]
pub enum CodeKind {
    /// The longer string in ASCII that is so numbered.
    Narrow,
    /// The string with other characters that is so numbered.
    Wide,
    /// The short string that is so numbered.
    Short,
    /// An integer, itself.
    Small,
    /// A [`CodeOther`].
    Other,
    /// As many values follow.
    Array,
    /// Of the shape that is so numbered; its values follow.
    Object,
}

/// The numbers of [`CodeKind::Other`].
#[napi]
#[derive(Clone, Copy)]
pub enum CodeOther {
    Null,
    False,
    True,
    /// From here on: the first double of the completion, and so on.
    Doubles,
}
