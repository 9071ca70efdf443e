'use strict';

// Commands and lists of names as bytes, in the form that src/binding/dispatch.rs reads.

const { isSharedArrayBuffer, isUint8Array } = require('node:util').types;

const check = require('./check');
const { typeError } = require('./errors');
const { flatListOf, listOf } = require('./lists');

const NO_BYTES = Buffer.alloc(0);

/** A command as `{ bytes }`, or `{ error }`. */
function encodeCommand(words) {
  if (typeof words[0] === 'string' && words[0] !== '') return check.read(() => encode(flatListOf(words)), 'a command', invalid);
  return { error: invalid('a command begins with its name') };
}

/** The words of a command given as an array, as `{ words }`, or `{ error }`. */
function readWords(words) {
  const wrong = invalid('sendCommand takes an array');
  return check.read(() => (Array.isArray(words) ? { words: listOf(words) } : { error: wrong }), 'a command', invalid);
}

/** Several channel names, as `{ names, bytes }`, or `{ error }`. */
function encodeNames(words) {
  return check.read(() => {
    const names = flatListOf(words);
    return { names, ...encode(names) };
  }, 'a command', invalid);
}

function invalid(message, cause) {
  return typeError('E_INVALID_COMMAND', message, cause);
}

/** Each word after its length, in the form that src/binding/dispatch.rs reads. */
function encode(words) {
  const parts = [];
  for (const word of words) {
    const bytes = toBytes(word);
    if (bytes === undefined) return { error: invalid('a command is made of strings, numbers and Buffers') };
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    parts.push(length, bytes);
  }
  return { bytes: Buffer.concat(parts) };
}

function toBytes(word) {
  if (typeof word === 'string') return Buffer.from(word);
  if (typeof word === 'number') return Buffer.from(String(word));
  return isUint8Array(word) ? plainBytes(word) : undefined;
}

/**
 * Bytes with a genuine length, also those of another realm: jest and vm contexts have their own
 * types. An object that overrides its length is copied by its actual content.
 */
function plainBytes(bytes) {
  const isPlain = Object.getPrototypeOf(bytes) === Buffer.prototype && !Object.hasOwn(bytes, 'length');
  // A transferred buffer is empty and cannot be copied.
  if (isPlain && bytes.length === 0) return NO_BYTES;
  return isPlain && !isSharedArrayBuffer(bytes.buffer) ? bytes : new Uint8Array(bytes);
}

/** The word in upper case, or nothing if it is not a string. */
function upperCase(word) {
  const { text = '' } = check.read(() => ({ text: typeof word === 'string' ? word : Buffer.from(toBytes(word)).toString() }), 'a word');
  return text.toUpperCase();
}

module.exports = { encodeCommand, encodeNames, plainBytes, readWords, upperCase };
