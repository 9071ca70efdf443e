'use strict';

// Every error that a caller can get is made here, in the caller's own realm: under jest an
// error made elsewhere is not an `instanceof TypeError`.

function withCode(error, code, cause) {
  error.code = code;
  if (cause !== undefined) error.cause = cause;
  return error;
}

/** A wrong kind of argument. */
function typeError(code, message, cause) {
  return withCode(new TypeError(message), code, cause);
}

/** An argument of the right kind with a value that is not allowed. */
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

/** A bug of this package's. */
function broken(what, cause) {
  return withCode(new Error(`redis-backplane ${what}; this is a bug in it`), 'E_INTERNAL', cause);
}

module.exports = { broken, closed, failure, rangeError, typeError };
