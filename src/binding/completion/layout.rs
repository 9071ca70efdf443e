//! The layout of a completion: the single description that both ends use. JavaScript gets these
//! numbers from the addon (`lib/completion.js`, `lib/shaped.js`), so neither end has a copy of its
//! own.
//!
//! Every answer is a record of [`RecordWord::Size`] words, which says where on the completion its
//! value is. So an answer takes exactly what was written for it, whatever its neighbours contain,
//! and an answer that cannot be read fails alone.

use napi_derive::napi;

/// The words of a record, in order.
#[napi]
#[derive(Clone, Copy)]
pub enum RecordWord {
    /// The call, the backplane or the topic that the record is for.
    Id,
    /// An [`AnswerRole`].
    Role,
    /// An [`AnswerForm`].
    Form,
    /// Where the value begins: the number of a text, of a code, or of a byte.
    At,
    /// For bytes, where they end.
    End,
    /// For a message in bytes: where the name of its channel begins, which ends where the payload
    /// begins; or [`NO_CHANNEL`].
    ChannelAt,
    /// For an answer with a lease: its upper and its lower 32 bits.
    LeaseHigh,
    LeaseLow,
    /// The number of words in a record.
    Size,
}

/// The purpose of a record.
#[napi]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnswerRole {
    /// The result of a call.
    Value,
    /// The results of a fetch: a value; an old value and a lease; a lease.
    Fresh,
    Stale,
    Absent,
    /// A call rejects; the value is `[code, message]`.
    Error,
    /// Not an answer: an event of a backplane.
    Event,
    /// Not an answer: a message published to a topic.
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
    /// Codes from which a value is built.
    Shaped,
    /// Bytes.
    Binary,
    /// Stored bytes that are certainly not JSON, and were not transferred.
    Unreadable,
}

/// Used in place of a channel when the topic already tells it.
#[napi]
pub const NO_CHANNEL: u32 = u32::MAX;

/// A completion holds at most this many records, codes, doubles and short strings.
#[napi]
pub const COMPLETION_RECORDS: u32 = 4096;
#[napi]
pub const COMPLETION_CODES: u32 = 48 * 1024;
#[napi]
pub const COMPLETION_DOUBLES: u32 = 32 * 1024;
#[napi]
pub const COMPLETION_SHORTS: u32 = 32 * 1024;

/// The lowest bits of a code are its kind (a [`CodeKind`]); the rest is a number.
#[napi]
pub const CODE_BITS: u32 = 3;

#[napi]
#[derive(Clone, Copy)]
pub enum CodeKind {
    /// The longer ASCII string with this number.
    Narrow,
    /// The string with other characters with this number.
    Wide,
    /// The short string with this number.
    Short,
    /// An integer: the number itself.
    Small,
    /// A [`CodeOther`].
    Other,
    /// This many values follow.
    Array,
    /// An object of the shape with this number; its values follow.
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
