'use strict';

// Every error that a caller can get is created here, in the caller's own realm: under jest, an
// error created elsewhere is not an `instanceof TypeError`.

function withCode(error, code, cause) {
  error.code = code;
  if (cause !== undefined) error.cause = cause;
  return error;
}

/** An argument of the wrong type. */
function typeError(code, message, cause) {
  return withCode(new TypeError(message), code, cause);
}

/** An argument of the right type with a value that is not allowed. */
function rangeError(code, message) {
  return withCode(new RangeError(message), code);
}

/** Anything that is not the caller's fault. */
function failure(code, message) {
  return withCode(new Error(message), code);
}

function closed() {
  return failure('E_CLOSED', 'this backplane has been closed');
}

/** A bug in this package. */
function broken(what, cause) {
  return withCode(new Error(`redis-backplane ${what}; this is a bug in it`), 'E_INTERNAL', cause);
}

module.exports = { broken, closed, failure, rangeError, typeError };
