'use strict';

// Time and turns of the event loop, as Node has them. All of them are taken when this package is loaded, so a test's
// fake clock (jest, sinon, vitest) delays no call and no deadline. When it is loaded while such a clock is installed,
// what is faked by then is told by its text, and what a fake cannot stop takes its place: promises.

const { performance } = require('node:perf_hooks');
const { clearTimeout, setImmediate, setTimeout } = require('node:timers');

const { nextTick } = process;
const { now } = Date;
// On the object itself may be a fake one.
const { now: sinceStart } = Object.getPrototypeOf(performance);

/** Calls back when all promises that are settled by now have called back, or as nearly so as can be had. */
const atEndOfTick = isOwn(nextTick, 'TickObject') ? (callback) => nextTick(callback) : afterPromises;
/** Calls back when others have had their turn. */
const inNextTurn = isOwn(setImmediate, 'new Immediate') ? (callback) => setImmediate(callback) : afterPromises;

function afterPromises(callback) {
  Promise.resolve().then(callback);
}

/** Whether a function is Node's own, which makes one of these. */
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
