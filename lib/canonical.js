'use strict';

// Equal parameters have the same text, whatever the order of their keys. Different parameters never
// share one: where sharing a result would be wrong, more is distinguished than JSON does. Values
// with hidden content (a class, an Error, a RegExp, URLSearchParams, an ArrayBuffer) are refused.

const { types } = require('node:util');
const check = require('./check');

/** Deeper nesting counts as endless. */
const MAX_DEPTH = 100;

/** The text of query parameters as `{ text }`, or an error. */
function canonical(value) {
  try {
    return { text: write(value, 0) };
  } catch (cause) {
    return { error: check.value('params cannot be distinguished from others', cause) };
  }
}

function write(value, depth) {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'number':
      // -0 and 0 are the same number.
      return String(value + 0);
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'object':
      if (depth > MAX_DEPTH) throw new TypeError('they are nested too deep, or for ever');
      return value === null ? 'null' : writeObject(value, depth + 1);
    default:
      throw new TypeError(`a ${typeof value} is no parameter`);
  }
}

function writeObject(value, depth) {
  const list = (items) => `[${Array.from(items, (item) => write(item, depth)).join(',')}]`;
  if (Array.isArray(value)) return list(ownItems(value));
  if (types.isDate(value)) return `Date${value.getTime()}`;
  if (types.isMap(value)) return `Map${list(value)}`;
  if (types.isSet(value)) return `Set${list(value)}`;
  if (typeof value.toJSON === 'function') return `JSON${write(value.toJSON(), depth)}`;
  if (types.isTypedArray(value)) return `${value[Symbol.toStringTag]}${list(value)}`;
  // `new Number(1)` is also 1 in JSON.
  if (types.isBoxedPrimitive(value)) return write(value.valueOf(), depth);
  return writeFields(value, depth);
}

function writeFields(value, depth) {
  if (!isPlain(value)) throw new TypeError('an object of a class may hold what cannot be seen');
  const fields = [];
  for (const name of Object.keys(value).sort()) {
    const field = value[name];
    if (field !== undefined) fields.push(`${JSON.stringify(name)}:${write(field, depth)}`);
  }
  return `{${fields.join(',')}}`;
}

/** A plain object, of any realm, with string keys only. */
function isPlain(value) {
  const prototype = Object.getPrototypeOf(value);
  const isOfNoClass = prototype === null || (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf'));
  return isOfNoClass && !hasSymbols(value);
}

/** An array with items only. Names that are not indexes come last. */
function ownItems(array) {
  const last = Object.keys(array).at(-1) ?? '0';
  if (String(last >>> 0) !== last || hasSymbols(array)) throw new TypeError('an array with fields');
  return array;
}

function hasSymbols(value) {
  return Object.getOwnPropertySymbols(value).some((symbol) => Object.prototype.propertyIsEnumerable.call(value, symbol));
}

module.exports = { canonical };
