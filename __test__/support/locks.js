'use strict';

const { until } = require('./until');

const ASYNC_DISPOSE = Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose');

/** The key of a lock's queue of waiters on Redis, which ends with four letters of its own. */
const queueOf = async (redis, prefix, key) => (await redis.command('KEYS', `${prefix}lock-queue:${key}????`))[0];

/** How many wait for a lock on Redis. */
async function waitersOf(redis, prefix, key) {
  const queue = await queueOf(redis, prefix, key);
  return queue ? redis.command('ZCARD', queue) : 0;
}

const areWaiting = (redis, prefix, key, count) =>
  until(async () => (await waitersOf(redis, prefix, key)) === count, { what: `${count} waiters for ${key}` });

/** How often each command was carried out on the server. */
async function commandsOf(redis) {
  const lines = (await redis.command('INFO', 'commandstats')).matchAll(/cmdstat_(\S+?):calls=(\d+)/g);
  return Object.fromEntries([...lines].map(([, name, calls]) => [name, Number(calls)]));
}

/** Keeps the main thread from doing anything else. */
function block(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Resolves to the reason when a signal aborts. */
function aborts(signal) {
  if (signal.aborted) return Promise.resolve(signal.reason);
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason), { once: true }));
}

module.exports = { ASYNC_DISPOSE, aborts, areWaiting, block, commandsOf, queueOf, waitersOf };
