'use strict';

// Waiting for an AbortSignal. Each signal gets one listener, however many wait: Node warns of more than ten.

/** By signal: what is to be called, and the listener that calls it. */
const waits = new WeakMap();

/** Calls back once with the reason when the signal is aborted; answers what ends the waiting. */
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
      // Nobody's AbortSignal. What it calls now calls nobody.
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

/** A signal that is nobody's AbortSignal may throw when it is asked. */
function reasonOf(signal) {
  try {
    return signal.reason;
  } catch (error) {
    return error;
  }
}

module.exports = { onAbort };
