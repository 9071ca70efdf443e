'use strict';

// Calls the caller's functions. One that throws does not keep another from being called.

/**
 * Calls one function. If it throws or its promise rejects, this is logged, without its arguments.
 */
function callSafely(logger, listener, self, ...args) {
  try {
    const result = Reflect.apply(listener, self, args);
    if (typeof result?.then === 'function') result.then(undefined, (error) => complain(logger, error));
  } catch (error) {
    complain(logger, error);
  }
}

/** Emits an event. Errors of its listeners are logged. */
function emitSafely(logger, emitter, event, ...args) {
  // Raw: listeners added with `once` remove themselves.
  for (const listener of emitter.rawListeners(event)) callSafely(logger, listener, emitter, ...args);
}

function complain(logger, error) {
  (logger ?? console).error(`redis-backplane: a listener failed: ${describe(error)}`);
}

function describe(error) {
  try {
    return String(error?.stack ?? error);
  } catch {
    return 'with something that cannot be shown';
  }
}

module.exports = { callSafely, emitSafely };
