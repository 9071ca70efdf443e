'use strict';

// Builds the values that a page brings as codes; what these are is in src/binding/page/writer.rs.

const PAGE_CODES = 48 * 1024;
const PAGE_DOUBLES = 32 * 1024;

const KIND_BITS = 3;
const KIND_MASK = (1 << KIND_BITS) - 1;
const NARROW = 0;
const WIDE = 1;
const SHORT = 2;
const AGAIN = 3;
const SMALL = 4;
const OTHER = 5;
const ARRAY = 6;
/** The numbers of other codes; the rest are doubles. */
const NULL = 0;
const FALSE = 1;
const TRUE = 2;

/** Longer arrays grow while they are read, which leaves room in them: too much in a short one. */
const LITERAL_ITEMS = 64;

/** What builds the values of each page of a queue, which writes into `codes` and `doubles`. */
function createBuilder({ codes, doubles }) {
  let next = 0;
  let nextDouble = 0;
  let short;
  let nextShort = 0;
  let shorts = [];
  let narrow;
  let wide;
  let makers = [];
  const arrayMakers = [];

  /** The value that comes next on the page. */
  function read() {
    const code = codes[next++];
    const number = code >> KIND_BITS;
    switch (code & KIND_MASK) {
      case NARROW:
        return narrow[number];
      case WIDE:
        return wide[number];
      case SHORT:
        return readShort(number);
      case AGAIN:
        return shorts[number];
      case SMALL:
        return number;
      case OTHER:
        return readOther(number);
      case ARRAY:
        return readArray(number);
      default:
        return makers[number]();
    }
  }

  function readShort(length) {
    const string = short.slice(nextShort, nextShort + length);
    nextShort += length;
    shorts.push(string);
    return string;
  }

  function readOther(number) {
    if (number === NULL) return null;
    if (number === FALSE || number === TRUE) return number === TRUE;
    return doubles[nextDouble++];
  }

  function readArray(length) {
    if (length <= LITERAL_ITEMS) return (arrayMakers[length] ??= arrayMakerOf(length, read))();
    const items = [];
    for (let i = 0; i < length; i++) items.push(read());
    return items;
  }

  /** Shapes are lists of keys, numbered on from the last. */
  function learn({ isAnew, shapes }) {
    if (isAnew) makers = [];
    for (const keys of shapes) makers.push(makerOf(keys, read));
  }

  return {
    read,
    /** Before the first value of a page: its strings, as they come from the other side. */
    begin([shortText = '', narrowText, wideText, news]) {
      next = 0;
      nextDouble = 0;
      short = shortText;
      nextShort = 0;
      shorts = [];
      narrow = narrowText && JSON.parse(narrowText);
      wide = wideText && JSON.parse(wideText);
      if (news !== null) learn(JSON.parse(news));
    },
  };
}

/**
 * A function that makes an object with these keys, of values that `read` answers: V8 makes a literal at once, not key by key. The keys
 * are data, and within quotation marks can be nothing but keys; `__proto__`, which would be more, is not among them.
 */
function makerOf(keys, read) {
  const members = keys.map((key) => `${JSON.stringify(key)}:read()`);
  return literal(`{${members.join(',')}}`, read);
}

function arrayMakerOf(length, read) {
  return literal(`[${'read(),'.repeat(length)}]`, read);
}

function literal(text, read) {
  return new Function('read', `return () => (${text});`)(read);
}

/** Node can be told to make no function of text. */
function canMakeFunctions() {
  try {
    literal('null');
    return true;
  } catch {
    return false;
  }
}

module.exports = { canMakeFunctions, createBuilder, PAGE_CODES, PAGE_DOUBLES };
