'use strict';

// Calls functions of the caller's. None that throws keeps another from being called.

/** Calls one function. When it throws, or its promise rejects, that is logged, without what it was called with. */
function callSafely(logger, listener, self, ...args) {
  try {
    const result = Reflect.apply(listener, self, args);
    if (typeof result?.then === 'function') result.then(undefined, (error) => complain(logger, error));
  } catch (error) {
    complain(logger, error);
  }
}

/** Emits an event; what its listeners throw is logged. */
function emitSafely(logger, emitter, event, ...args) {
  // Raw: those that were added with `once` take themselves out.
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
