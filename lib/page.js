'use strict';

// Reads a page of answers; how it is written, and why a stored text cannot harm its neighbours,
// is in src/binding/page.

const { failure } = require('./errors');

const PAGE_ANSWERS = 4096;

const UNDEFINED = 0;
const NULL = 1;
const TRUE = 2;
const FALSE = 3;
const JSON_NARROW = 4;
const JSON_WIDE = 5;
const ERROR = 6;
const EVENT = 7;
const BINARY = 8;
const SHAPED = 9;
/** Where a text is; above it, what it is the answer of. */
const KIND_BITS = 8;
const KIND_MASK = (1 << KIND_BITS) - 1;
const FRESH = 1;
const STALE = 2;
const MESSAGE = 4;
/** In the place of the length of a channel that the topic tells already. */
const NO_CHANNEL = 0xffff_ffff;
const NO_BYTES = Buffer.alloc(0);

/**
 * Hands everything on a page, in order, to `settle` (answers; a text that is not JSON is a miss),
 * `tell` (events), `deliver` and `deliverBytes` (messages). None of them throws.
 */
function readPage(page, answers, builder, { settle, tell, deliver, deliverBytes }) {
  const narrow = parse(page.narrow, page.narrowCount, page.separator);
  const wide = parse(page.wide, page.wideCount, page.separator);
  builder.begin(page.strings);
  let nextNarrow = 0;
  let nextWide = 0;
  const read = (kind) => {
    if (kind === SHAPED) return builder.read();
    if (kind === JSON_NARROW) return narrow[(nextNarrow += 2) - 2];
    return wide[(nextWide += 2) - 2];
  };
  // Empty messages alone make no bytes.
  const binary = page.binary ?? NO_BYTES;
  let nextByte = 0;
  for (let i = 0; i < page.count; i++) {
    const id = answers[2 * i];
    const kind = answers[2 * i + 1];
    if (kind === SHAPED || kind === JSON_NARROW || kind === JSON_WIDE) settle(id, read(kind) ?? null);
    else if (kind < JSON_NARROW) settle(id, constant(kind));
    else if (kind === EVENT) tell(id, read(kind));
    else if (kind === ERROR) settle(id, rejection(read(kind)));
    else if (kind === BINARY) {
      i += 1;
      const start = nextByte;
      nextByte += answers[2 * i + 1];
      // The page's memory is used again.
      settle(id, Buffer.from(binary.subarray(start, nextByte)));
    } else if (kind >> KIND_BITS !== MESSAGE) {
      settle(id, fetched(kind >> KIND_BITS, read(kind & KIND_MASK), () => read(JSON_NARROW)));
    } else if ((kind & KIND_MASK) === BINARY) {
      i += 1;
      const channelBytes = answers[2 * i];
      const start = nextByte;
      const middle = start + (channelBytes === NO_CHANNEL ? 0 : channelBytes);
      nextByte = middle + answers[2 * i + 1];
      deliverBytes(id, binary, channelBytes === NO_CHANNEL ? -1 : start, middle, nextByte);
    } else {
      // Text that is not even UTF-8 has not come along.
      deliver(id, (kind & KIND_MASK) === NULL ? undefined : read(kind & KIND_MASK));
    }
  }
}

function constant(kind) {
  switch (kind) {
    case NULL:
      return null;
    case TRUE:
      return true;
    case FALSE:
      return false;
    case UNDEFINED:
    default:
      return undefined;
  }
}

function rejection([code, message]) {
  return Promise.reject(failure(code, message));
}

/** A text that is at hand as `{ value }`; undefined for none, or one that is not JSON. */
function readText(text) {
  if (text === null) return undefined;
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** What a fetch found: a value, a lease (two words), or both; `isCorrupt` when it is not JSON. */
function fetched(role, value, readLease) {
  switch (role) {
    case FRESH:
      return { isFresh: true, isCorrupt: value === undefined, value };
    case STALE:
      return { isStale: value !== undefined, value, lease: readLease() };
    default:
      return { lease: value ?? [0, 0] };
  }
}

/**
 * Parses a text of the page, `[value, separator, value, separator, …]`: a value at every even
 * place, undefined where the text is not JSON, which no JSON text is.
 */
function parse(text, count, separator) {
  if (count === 0) return [];
  try {
    const values = JSON.parse(text);
    if (isIntact(values, count, separator)) return values;
  } catch {
    // One of the texts is not JSON; below they are parsed one by one.
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

/** A text that is not JSON is a miss, and harms none of its neighbours. */
function takeApart(text, count, separator) {
  const end = `,${separator}]`;
  const texts = text.slice(1, -end.length).split(`,${separator},`);
  const values = new Array(2 * count).fill(undefined);
  if (texts.length !== count) return values;
  texts.forEach((one, i) => {
    try {
      values[2 * i] = JSON.parse(one);
    } catch {
      // Stays undefined.
    }
  });
  return values;
}

module.exports = { readPage, readText, PAGE_ANSWERS };
