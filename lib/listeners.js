'use strict';

// Calls functions of the caller's. One that throws, or whose promise rejects, hurts nobody: it is
// logged, without what it was called with.

/** Calls one function. */
function callSafely(logger, listener, self, ...args) {
  try {
    const result = listener.apply(self, args);
    if (typeof result?.then === 'function') result.then(undefined, (error) => complain(logger, error));
  } catch (error) {
    complain(logger, error);
  }
}

/** Emits an event whose listeners do not harm each other. */
function emitSafely(logger, emitter, event, ...args) {
  // Raw: those that were added with `once` take themselves out.
  for (const listener of emitter.rawListeners(event)) callSafely(logger, listener, emitter, ...args);
}

function complain(logger, error) {
  logger.error(`redis-backplane: a listener failed: ${describe(error)}`);
}

function describe(error) {
  try {
    return String(error?.stack ?? error);
  } catch {
    return 'with something that cannot be shown';
  }
}

module.exports = { callSafely, emitSafely };
