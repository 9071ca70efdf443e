'use strict';

// One text for what means the same, whichever order its keys are in, and never one for what does not:
// more is told apart than JSON does, where sharing a result would be wrong.

const { types } = require('node:util');
const check = require('./check');

/** Deeper is taken for endless. */
const MAX_DEPTH = 100;

/** The text of query parameters as `{ text }`, or an error. */
function canonical(value) {
  try {
    return { text: write(value, 0) };
  } catch (cause) {
    return { error: check.value('params cannot be told apart from others', cause) };
  }
}

function write(value, depth) {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'number':
      // -0 and 0 are one number.
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
  if (Array.isArray(value)) return list(value);
  if (types.isDate(value)) return `Date${value.getTime()}`;
  if (types.isMap(value)) return `Map${list(value)}`;
  if (types.isSet(value)) return `Set${list(value)}`;
  if (typeof value.toJSON === 'function') return `JSON${write(value.toJSON(), depth)}`;
  const fields = Object.keys(value)
    .filter((name) => value[name] !== undefined)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${write(value[name], depth)}`);
  return `{${fields.join(',')}}`;
}

module.exports = { canonical };
