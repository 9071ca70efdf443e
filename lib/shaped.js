'use strict';

// Builds the values that a completion carries as codes. src/binding/completion/layout.rs describes the codes.

const { CODE_BITS, CodeKind, CodeOther } = require('./native');

const KIND_MASK = (1 << CODE_BITS) - 1;
const { Narrow: NARROW, Wide: WIDE, Short: SHORT, Small: SMALL, Other: OTHER, Array: ARRAY } = CodeKind;
const { Null: NULL, True: TRUE, Doubles: DOUBLES } = CodeOther;

/** Longer arrays grow while they are read, which leaves spare capacity: too much in a short one. */
const LITERAL_ITEMS = 64;

/**
 * Builds the values of each completion of a queue, which writes into `codes`, `doubles` and `shorts`.
 * Each value, and each string and number in it, is found by its position, so a value never consumes
 * part of the next one.
 */
function createBuilder({ codes, doubles, shorts: shortStarts }) {
  let next = 0;
  let short;
  let shorts = [];
  let narrow;
  let wide;
  let makers = [];
  const arrayMakers = [];

  /** The value whose codes are next. */
  function read() {
    const code = codes[next++];
    const number = code >> CODE_BITS;
    switch (code & KIND_MASK) {
      case NARROW:
        return narrow[number];
      case WIDE:
        return wide[number];
      case SHORT:
        return (shorts[number] ??= short.slice(shortStarts[number], shortStarts[number + 1]));
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

  function readOther(number) {
    if (number === NULL) return null;
    return number < DOUBLES ? number === TRUE : doubles[number - DOUBLES];
  }

  function readArray(length) {
    if (length <= LITERAL_ITEMS) return (arrayMakers[length] ??= arrayMakerOf(length, read))();
    const items = [];
    for (let i = 0; i < length; i++) items.push(read());
    return items;
  }

  /** Shapes are lists of keys, numbered in the order in which they arrive. */
  function learn({ isAnew, shapes }) {
    if (isAnew) makers = [];
    for (const keys of shapes) makers.push(makerOf(keys, read));
  }

  return {
    /** The value whose codes begin at a position. */
    readAt(place) {
      next = place;
      return read();
    },

    /**
     * Called before the first value of a completion, with its strings as they arrive from the other side.
     */
    begin({ short: shortText = '', narrow: narrowText, wide: wideText, news }) {
      short = shortText;
      shorts = [];
      narrow = narrowText && JSON.parse(narrowText);
      wide = wideText && JSON.parse(wideText);
      if (news !== null) learn(JSON.parse(news));
    },
  };
}

/**
 * Returns a function that builds an object with these keys, with values that `read` returns: V8
 * creates an object literal at once, not key by key. The keys are data; inside quotation marks they
 * can be nothing but keys. `__proto__`, which would be more, is not among them.
 */
function makerOf(keys, read) {
  const members = keys.map((key) => `${JSON.stringify(key)}:read()`);
  return literal(`{${members.join(',')}}`, read) ?? (() => Object.fromEntries(keys.map((key) => [key, read()])));
}

function arrayMakerOf(length, read) {
  return literal(`[${'read(),'.repeat(length)}]`, read) ?? (() => Array.from({ length }, read));
}

/** Undefined if Node forbids functions made from text. */
function literal(text, read) {
  try {
    return new Function('read', `return () => (${text});`)(read);
  } catch {
    return undefined;
  }
}

function canMakeFunctions() {
  return literal('null') !== undefined;
}

module.exports = { canMakeFunctions, createBuilder };
