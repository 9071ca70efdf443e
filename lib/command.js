'use strict';

// Commands and lists of names as bytes, the way src/binding/dispatch.rs reads them.

const { isUint8Array } = require('node:util').types;

const { typeError } = require('./errors');

/** `{ bytes }` or `{ error }`. */
function encodeCommand(words) {
  if (typeof words[0] === 'string' && words[0] !== '') return encode(words.flat());
  return { error: typeError('E_INVALID_COMMAND', 'a command begins with its name') };
}

/** Each word after its length, as src/binding/dispatch.rs reads them. */
function encode(words) {
  const parts = [];
  for (const word of words) {
    const bytes = toBytes(word);
    if (bytes === undefined) {
      return { error: typeError('E_INVALID_COMMAND', 'a command is made of strings, numbers and Buffers') };
    }
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    parts.push(length, bytes);
  }
  return { bytes: Buffer.concat(parts) };
}

function toBytes(word) {
  if (typeof word === 'string') return Buffer.from(word);
  if (typeof word === 'number') return Buffer.from(String(word));
  // Also one of another realm: jest and vm contexts have their own.
  if (isUint8Array(word)) return word;
  return undefined;
}

module.exports = { encode, encodeCommand };
