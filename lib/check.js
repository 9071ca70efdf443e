'use strict';

// Checks of arguments. Each returns an error, or null if the argument is valid. So a function can
// reject with it, and nothing is ever thrown from an async function.

const { typeError, rangeError } = require('./errors');

const MAX_KEY_BYTES = 64 * 1024;
const MAX_VALUE_BYTES = 64 * 1024 * 1024;
const DEFAULT_TTL_SECONDS = 3600;
const MAX_TTL_SECONDS = 10 * 365 * 24 * 3600;
/** Bytes that one UTF-16 unit takes in UTF-8, at most. */
const UTF8_PER_UNIT = 3;

function isLongerThan(text, bytes) {
  if (text.length > bytes) return true;
  if (text.length * UTF8_PER_UNIT <= bytes) return false;
  return Buffer.byteLength(text) > bytes;
}

function name(value, what, code) {
  if (typeof value !== 'string') {
    return typeError(code, `${what} must be a string, not ${kindOf(value)}`);
  }
  if (value.length === 0) return rangeError(code, `${what} must not be empty`);
  if (isLongerThan(value, MAX_KEY_BYTES)) {
    return rangeError(code, `${what} must not be longer than ${MAX_KEY_BYTES} bytes`);
  }
  // UTF-8 cannot represent half a surrogate pair; two such keys would become one.
  if (!value.isWellFormed()) return rangeError(code, `${what} must be well-formed Unicode`);
  return null;
}

function key(value) {
  return name(value, 'key', 'E_INVALID_KEY');
}

/** The id of a user, a socket or a room. */
function id(value, what) {
  return name(value, what, 'E_INVALID_KEY');
}

/** Data that is sent together with a key. */
function size(text, what) {
  if (!isLongerThan(text, MAX_KEY_BYTES)) return null;
  return rangeError('E_INVALID_VALUE', `${what} must not be longer than ${MAX_KEY_BYTES} bytes of JSON`);
}

/** Several ids, possibly none. */
function ids(values, what) {
  if (!Array.isArray(values)) return typeError('E_INVALID_KEY', `${what} must be an array, not ${kindOf(values)}`);
  for (const value of values) {
    const error = id(value, `each of ${what}`);
    if (error) return error;
  }
  return null;
}

function channel(value) {
  return name(value, 'channel', 'E_INVALID_CHANNEL');
}

function pattern(value) {
  return name(value, 'pattern', 'E_INVALID_PATTERN');
}

function ttl(seconds, what = 'ttlSeconds') {
  if (typeof seconds !== 'number') {
    return typeError('E_INVALID_TTL', `${what} must be a number, not ${kindOf(seconds)}`);
  }
  if (!(seconds > 0 && seconds <= MAX_TTL_SECONDS)) {
    return rangeError('E_INVALID_TTL', `${what} must be above 0 and at most ${MAX_TTL_SECONDS}`);
  }
  return null;
}

/** Like a TTL, but 0 is allowed and means none. */
function optionalTtl(seconds, what) {
  return seconds === 0 ? null : ttl(seconds, what);
}

/** A limit or a cost. */
function count(value, what) {
  if (typeof value !== 'number') {
    return typeError('E_INVALID_COUNT', `${what} must be a number, not ${kindOf(value)}`);
  }
  if (Number.isSafeInteger(value) && value > 0) return null;
  return rangeError('E_INVALID_COUNT', `${what} must be a whole number above 0`);
}

/** A group of options. */
function object(value, what) {
  return typeof value === 'object' && value !== null ? null : option(`${what} must be an object`);
}

function option(message, cause) {
  return typeError('E_INVALID_OPTION', message, cause);
}

function value(message, cause) {
  return typeError('E_INVALID_VALUE', message, cause);
}

function callback(value, what) {
  if (typeof value === 'function') return null;
  return typeError('E_INVALID_CALLBACK', `${what} must be a function, not ${kindOf(value)}`);
}

function optionalCallback(value, what) {
  return value === undefined ? null : callback(value, what);
}

/** A string or bytes, unchanged. */
function payload(value) {
  const isTooLong = typeof value === 'string' ? isLongerThan(value, MAX_VALUE_BYTES) : value.length > MAX_VALUE_BYTES;
  if (!isTooLong) return null;
  return rangeError('E_INVALID_VALUE', `a message must not be longer than ${MAX_VALUE_BYTES} bytes`);
}

/** Milliseconds that a timer can wait. */
function timeoutMs(value, what) {
  if (Number.isInteger(value) && value > 0 && value < 2 ** 31) return null;
  return rangeError('E_INVALID_OPTION', `${what} must be a whole number of milliseconds from 1 to 2^31 - 1`);
}

/** Milliseconds to wait: 0 does not wait, Infinity waits indefinitely. */
function waitMs(value, what) {
  if (typeof value === 'number' && value >= 0) return null;
  return rangeError('E_INVALID_OPTION', `${what} must be a number of milliseconds, 0 or more`);
}

/** Of this realm or another, as under jest. */
function abortSignal(value, what) {
  const isOne = typeof value?.aborted === 'boolean' && typeof value.addEventListener === 'function';
  return value === undefined || isOne ? null : option(`${what} must be an AbortSignal`);
}

/**
 * The result of `act`, or an error made by `complain`: `act` reads the caller's objects, which may
 * throw.
 */
function read(act, what, complain = value) {
  try {
    return act();
  } catch (cause) {
    return { error: complain(`${what} cannot be read`, cause) };
  }
}

/** Checks that JSON can represent the value. Returns the text as `{ text }`, or an error. */
function json(value, maxBytes = MAX_VALUE_BYTES) {
  let text;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    return { error: typeError('E_INVALID_VALUE', 'value cannot be written as JSON', cause) };
  }
  if (text === undefined) {
    return { error: typeError('E_INVALID_VALUE', `value must be something JSON can hold, not ${kindOf(value)}`) };
  }
  if (isLongerThan(text, maxBytes)) {
    return { error: rangeError('E_INVALID_VALUE', `value must not be longer than ${maxBytes} bytes of JSON`) };
  }
  return { text };
}

function kindOf(value) {
  return value === null ? 'null' : typeof value;
}

module.exports = { DEFAULT_TTL_SECONDS, UTF8_PER_UNIT, key, id, ids, size, channel, pattern, ttl, optionalTtl, count, object, option, value, callback, optionalCallback, payload, timeoutMs, waitMs, abortSignal, read, json, kindOf };
