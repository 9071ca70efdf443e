'use strict';

// Many wait with one AbortSignal: for a lock, and for messages.

const { createBackplane } = require('../..');

const { url } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const MANY = 30;
const warnings = [];
process.on('warning', ({ name }) => warnings.push(name));

const reasonsOf = async (promises) => {
  const outcomes = await Promise.allSettled(promises);
  return [...new Set(outcomes.map(({ reason, value }) => reason?.message ?? value))];
};

async function main() {
  const backplane = createBackplane({ url, logger: silent, keyPrefix: `one-signal:${process.pid}:` });
  const controller = new AbortController();
  const { signal } = controller;
  const options = { waitMs: Infinity, signal };
  const held = await backplane.lock('k', { signal });
  const many = (make) => Array.from({ length: MANY }, make);
  const waiting = many(() => backplane.lock('k', options));
  const running = many(() => backplane.withLock('k', options, () => 'ran'));
  const loops = many(() => backplane.getPubSub().messages('c', { signal }).next());
  const alone = many(() => backplane.cacheGet('k'));
  await Promise.all(alone);
  // The first in the queue has it before the others are told to stop.
  await held.release();
  const first = await waiting[0];
  controller.abort(new Error('enough'));
  const reasons = await reasonsOf([...waiting.slice(1), ...running, ...loops]);
  const isHeld = await first.release();
  // What was taken back is free at once, and nothing listens any more.
  const isFree = await backplane.acquireLock('k');
  const afterwards = await reasonsOf([backplane.lock('k2', { signal })]);
  await backplane.close();
  await new Promise(setImmediate);
  console.log(JSON.stringify({ warnings, reasons, isHeld, isFree, afterwards }));
}

main();
