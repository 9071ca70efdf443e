'use strict';

// What `subscribe` and its relatives are called with, in either style:
//
//   ioredis      subscribe('a', 'b')   subscribe(['a', 'b'])   subscribe('a', 'b', callback)
//   node-redis   subscribe('a', listener, asBuffers)   subscribe(['a', 'b'], listener)
//
// One name and one function is node-redis: a listener, not a callback.

const { isUint8Array } = require('node:util').types;

const check = require('./check');
const { plainBytes } = require('./command');
const { typeError } = require('./errors');
const { flatListOf } = require('./lists');

/** `{ names, listener, asBytes, callback }` or `{ error }`. */
function readSubscribe(args) {
  const request = read(args);
  if (request.error || request.names.length > 0) return request;
  return { error: typeError('E_INVALID_CHANNEL', 'name at least one channel') };
}

/** As above. Without `names`: all. Without `asBytes`: either kind of listener. */
function readUnsubscribe(args) {
  if (args.length === 0) return { names: undefined };
  return { ...read(args), asBytes: args[2] };
}

function read(args) {
  return check.read(() => readNow(args), 'channels', (message, cause) => typeError('E_INVALID_CHANNEL', message, cause));
}

function readNow(args) {
  if (typeof args[1] === 'function') {
    const [names, listener, asBytes] = args;
    return { ...namesOf([names]), listener, asBytes: Boolean(asBytes) };
  }
  const callback = typeof args.at(-1) === 'function' ? args.at(-1) : undefined;
  return { ...namesOf(callback ? args.slice(0, -1) : args), callback };
}

function namesOf(values) {
  const names = flatListOf(values).map((name) => (isUint8Array(name) ? Buffer.from(plainBytes(name)).toString() : name));
  for (const name of names) {
    const error = check.channel(name);
    if (error) return { error };
  }
  return { names };
}

module.exports = { readSubscribe, readUnsubscribe };
