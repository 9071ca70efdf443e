'use strict';

// Reads a completion of answers. src/binding/completion/layout.rs describes its layout once.
// src/binding/completion/texts.rs explains why a stored text cannot harm its neighbours.

const { broken, failure } = require('./errors');
const { AnswerForm, AnswerRole, NO_CHANNEL, RecordWord } = require('./native');

const { Id: ID, Role: ROLE, Form: FORM, At: AT, End: END, Size: SIZE } = RecordWord;
const { ChannelAt: CHANNEL_AT, LeaseHigh: LEASE_HIGH, LeaseLow: LEASE_LOW } = RecordWord;
const { Value: VALUE, Fresh: FRESH, Stale: STALE, Absent: ABSENT } = AnswerRole;
const { Error: ERROR, Event: EVENT, Message: MESSAGE } = AnswerRole;
const { Undefined: UNDEFINED, Null: NULL, True: TRUE, False: FALSE } = AnswerForm;
const { Narrow: NARROW, Wide: WIDE, Shaped: SHAPED, Binary: BINARY, Unreadable: UNREADABLE } = AnswerForm;
const NO_BYTES = Buffer.alloc(0);

/**
 * Passes everything on a completion, in order, to `settle` (answers; a text that is not JSON is a miss),
 * `tell` (events), `deliver` and `deliverBytes` (messages). Never throws: an answer that cannot be
 * read rejects its own call, and any other error is passed to `trouble`.
 */
function readCompletion(completion, records, builder, readers) {
  const reader = new CompletionReader(completion, records, builder, readers);
  reader.begin();
  const end = completion.count * SIZE;
  for (let at = 0; at < end; at += SIZE) {
    try {
      reader.take(at);
    } catch (error) {
      reader.fail(at, error);
    }
  }
}

class CompletionReader {
  constructor(completion, records, builder, readers) {
    this.completion = completion;
    this.records = records;
    this.builder = builder;
    this.readers = readers;
    this.narrow = parse(completion.narrow, completion.narrowCount, completion.separator);
    this.wide = parse(completion.wide, completion.wideCount, completion.separator);
    // If all messages are empty, there are no bytes.
    this.binary = completion.binary ?? NO_BYTES;
  }

  begin() {
    try {
      this.builder.begin(this.completion.strings);
    } catch (error) {
      this.readers.trouble(error);
    }
  }

  take(at) {
    const { records, readers } = this;
    const id = records[at + ID];
    switch (records[at + ROLE]) {
      case VALUE:
        return readers.settle(id, this.value(at) ?? this.nothing(at));
      case FRESH:
        return readers.settle(id, fresh(this.value(at)));
      case STALE:
        return readers.settle(id, stale(this.value(at), this.lease(at)));
      case ABSENT:
        return readers.settle(id, { lease: this.lease(at) });
      case ERROR:
        return readers.settle(id, rejection(this.value(at)));
      case EVENT:
        return readers.tell(id, this.value(at));
      default:
        return this.takeMessage(at, id);
    }
  }

  takeMessage(at, id) {
    const { records, readers } = this;
    if (records[at + FORM] !== BINARY) return readers.deliver(id, this.value(at));
    const channelAt = records[at + CHANNEL_AT];
    const start = channelAt === NO_CHANNEL ? -1 : channelAt;
    return readers.deliverBytes(id, this.binary, start, records[at + AT], records[at + END]);
  }

  /** Undefined also for a text that is not JSON. */
  value(at) {
    const { records } = this;
    const place = records[at + AT];
    switch (records[at + FORM]) {
      case SHAPED:
        return this.builder.readAt(place);
      case NARROW:
        return textAt(this.narrow, place);
      case WIDE:
        return textAt(this.wide, place);
      case TRUE:
        return true;
      case FALSE:
        return false;
      case NULL:
        return null;
      case BINARY:
        // The completion's memory will be reused.
        return Buffer.from(this.binary.subarray(place, records[at + END]));
      case UNDEFINED:
      case UNREADABLE:
        return undefined;
      default:
        throw new TypeError('a form that is not known');
    }
  }

  /** The answer of a call without a value. */
  nothing(at) {
    return this.records[at + FORM] === UNDEFINED ? undefined : null;
  }

  lease(at) {
    return [this.records[at + LEASE_HIGH], this.records[at + LEASE_LOW]];
  }

  /** No other answer is affected. */
  fail(at, error) {
    const { records, readers } = this;
    const role = records[at + ROLE];
    if (role !== EVENT && role !== MESSAGE) readers.settle(records[at + ID], Promise.reject(broken('could not read an answer', error)));
    else readers.trouble(error);
  }
}

function textAt(values, place) {
  if (2 * place >= values.length) throw new RangeError('a text that did not come along');
  return values[2 * place];
}

function rejection([code, message]) {
  return Promise.reject(failure(code, message));
}

/** The result of a fetch: a value, a lease (two words), or both. */
function fresh(value) {
  return { isFresh: true, isCorrupt: value === undefined, value };
}

function stale(value, lease) {
  return { isStale: value !== undefined, value, lease };
}

/** A text from the local cache as `{ value }`; undefined if there is none, or if it is not JSON. */
function readText(text) {
  if (text === null) return undefined;
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/**
 * Parses a text of the completion, `[value, separator, value, separator, …]`. Each value is at an even
 * index, and is undefined where the text is not JSON; no JSON text is undefined.
 */
function parse(text, count, separator) {
  // Undefined: V8 had no memory for it.
  if (count === 0 || text === undefined) return [];
  try {
    const values = JSON.parse(text);
    if (isIntact(values, count, separator)) return values;
  } catch {
    // One of the texts is not JSON. They are parsed one by one below.
  }
  return takeApart(text, count, separator);
}

function isIntact(values, count, separator) {
  if (values.length !== 2 * count) return false;
  for (let i = 1; i < values.length; i += 2) {
    if (values[i] !== separator) return false;
  }
  return true;
}

/** A text that is not JSON is a miss and does not harm its neighbours. */
function takeApart(text, count, separator) {
  const end = `,${separator}]`;
  const texts = text.slice(1, -end.length).split(`,${separator},`);
  const values = new Array(2 * count).fill(undefined);
  if (texts.length !== count) return values;
  texts.forEach((one, i) => {
    try {
      values[2 * i] = JSON.parse(one);
    } catch {
      // Remains undefined.
    }
  });
  return values;
}

module.exports = { readCompletion, readText };
