'use strict';

// Waits for an AbortSignal. Each signal gets one listener, however many callers wait, because Node
// warns of more than ten.

/** By signal: the callbacks, and the listener that calls them. */
const waits = new WeakMap();

/**
 * Calls back once with the reason when the signal is aborted. Returns a function that ends the
 * wait.
 */
function onAbort(signal, callback) {
  const wait = waits.get(signal) ?? listenTo(signal);
  const own = { callback };
  wait.callbacks.add(own);
  return () => {
    const wasLast = wait.callbacks.delete(own) && wait.callbacks.size === 0;
    if (!wasLast || waits.get(signal) !== wait) return;
    waits.delete(signal);
    try {
      signal.removeEventListener('abort', wait.listener);
    } catch {
      // Not a real AbortSignal. When it calls the listener now, there is nobody to call.
    }
  };
}

function listenTo(signal) {
  const callbacks = new Set();
  const listener = () => {
    waits.delete(signal);
    const reason = reasonOf(signal);
    for (const { callback } of callbacks) callback(reason);
    callbacks.clear();
  };
  const wait = { callbacks, listener };
  signal.addEventListener('abort', listener, { once: true });
  waits.set(signal, wait);
  return wait;
}

/** An object that is not a real AbortSignal may throw when it is read. */
function reasonOf(signal) {
  try {
    return signal.reason;
  } catch (error) {
    return error;
  }
}

module.exports = { onAbort };
