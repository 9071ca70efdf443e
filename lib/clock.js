'use strict';

// Node's own time and event loop functions. They are captured when this package is loaded, so a
// test's fake clock (jest, sinon, vitest) delays no call and no deadline. If such a clock is
// already installed at that time, fakes are recognised by their source text, and promises, which
// cannot be faked, are used instead.

const { performance } = require('node:perf_hooks');
const { clearTimeout, setImmediate, setTimeout } = require('node:timers');

const { nextTick } = process;
const { now } = Date;
// The object itself may have a fake one.
const { now: sinceStart } = Object.getPrototypeOf(performance);

/**
 * Calls back after the callbacks of all promises that are resolved by now, or as close to that as
 * possible.
 */
const atEndOfTick = isOwn(nextTick, 'TickObject') ? (callback) => nextTick(callback) : afterPromises;
/** Calls back after the other callbacks of the event loop have run. */
const inNextTurn = isOwn(setImmediate, 'new Immediate') ? (callback) => setImmediate(callback) : afterPromises;

function afterPromises(callback) {
  Promise.resolve().then(callback);
}

/** Whether a function is Node's own: its source then creates such an object. */
function isOwn(candidate, makes) {
  return Function.prototype.toString.call(candidate).includes(makes);
}

module.exports = {
  atEndOfTick,
  inNextTurn,
  setTimeout,
  clearTimeout,
  /** Ms since 1970. */
  now: () => now(),
  /** Ms on a clock that nobody sets. */
  steadyMs: () => sinceStart.call(performance),
};
