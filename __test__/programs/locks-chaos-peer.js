'use strict';

// One of a few processes that hand a lock to each other. Does what it is told to.

const { serve } = require('../support/remote');
const { now } = require('../support/critical-sections');
const { until } = require('../support/until');
const { createBackplane } = require('../..');

const settings = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const backplane = createBackplane({ ...settings, logger: silent });
const held = new Map();

/** Takes a lock, however long that takes, and says when it asked and when it had it. */
async function take(key, ttlSeconds) {
  const asked = now();
  const lock = await backplane.lock(key, { ttlSeconds, waitMs: Infinity });
  const at = now();
  held.set(key, lock);
  return { fence: lock.fence, asked, at };
}

/** Says when it began to release. */
async function release(key) {
  const at = now();
  await held.get(key).release();
  return at;
}

/** Takes a lock and releases it at once. */
async function pass(key) {
  const taken = await take(key, 30);
  return { ...taken, releasedAt: await release(key) };
}

/** There is a queue as long as somebody waits in it. */
async function isWaitedFor() {
  const queues = await backplane.getClient().call('KEYS', `${settings.keyPrefix}lock-queue:*`);
  return queues.length > 0;
}

/** Takes turns with another process that does the same: each releases only when the other waits, but for the last of all. */
async function takeTurns(key, count, isLast) {
  const turns = [];
  for (let left = count; left > 0; left -= 1) {
    const taken = await take(key, 30);
    if (left > 1 || !isLast) await until(isWaitedFor, { everyMs: 1 });
    turns.push({ ...taken, releasedAt: await release(key) });
  }
  return turns;
}

async function main() {
  await backplane.cacheGet('settled');
  serve({ pass, pid: process.pid, release, stop: () => backplane.close(), take, takeTurns });
}

main();
