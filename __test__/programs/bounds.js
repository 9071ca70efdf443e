'use strict';

// Calls every function for a while, away from Redis, with keys from 1 to 60 KB. Prints what is measured and what is told: RSS, the part
// of it that is not JavaScript's, and the bytes of the metrics. With `control` nothing is called, and all else is done: what V8 takes for
// the keys and values by itself.

const { setTimeout: sleep } = require('node:timers/promises');
const { createBackplane } = require('../..');
const { FUNCTIONS, KEPT } = require('../support/every-function');

const MB = 1024 * 1024;
const { seconds = 4, maxBytes = 64 * MB, url = 'redis://127.0.0.1:1', seed = 1, control = false } = JSON.parse(process.argv[2] ?? '{}');
/** Calls of a turn. */
const AT_ONCE = 16;
/** Of what has bounds of its own. */
const OWN_BYTES = 4 * MB;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

let state = seed;

/** From 0 to 1: mulberry32. */
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

const pad = 'x'.repeat(60_000);
let keys = 0;

/** A key that has been used before, now and then. */
function key() {
  const number = random() < 0.3 ? Math.floor(random() * keys) : keys++;
  return `${number}:${pad.slice(0, 1000 + ((number * 7919) % 58_990))}`;
}

function answerAtOnce() {
  return nobody;
}

/** Answers everything at once. */
const nobody = new Proxy(answerAtOnce, { get: (_target, name) => (name === 'then' ? undefined : nobody), construct: () => nobody });

/** Bytes of the process, and those of them that are not JavaScript's. */
async function settled() {
  let least = { rss: Infinity };
  for (let i = 0; i < 5; i++) {
    global.gc();
    await sleep(50);
    const { rss, heapTotal, external } = process.memoryUsage();
    if (rss < least.rss) least = { rss, native: rss - heapTotal - external };
  }
  return least;
}

async function main() {
  const own = { maxBytes: OWN_BYTES };
  const backplane = createBackplane({
    url,
    logger: silent,
    memory: { maxBytes },
    messageCache: own,
    localCache: own,
    pubsub: { maxQueuedBytes: OWN_BYTES },
  });
  const functions = Object.entries(FUNCTIONS);
  const kept = Object.keys(KEPT);
  const called = control ? nobody : backplane;
  const call = async ([, act]) => act(called, key, random);
  // Everything has been called once, and what is made once is there.
  for (const each of functions) await call(each);
  const before = await settled();
  const counted = () => backplane.getMetrics().memory;
  const told = { most: 0, mostOfBudget: 0, kinds: {} };
  let calls = 0;
  let mostRss = 0;
  const until = Date.now() + seconds * 1000;
  while (Date.now() < until) {
    const picked = Array.from({ length: AT_ONCE }, () => functions[Math.floor(random() * functions.length)]);
    await Promise.all(picked.map(call));
    calls += picked.length;
    const { bytes, kinds } = counted();
    const bounded = kept.reduce((sum, kind) => sum + kinds[kind], 0);
    told.most = Math.max(told.most, bytes);
    told.mostOfBudget = Math.max(told.mostOfBudget, bounded);
    for (const [kind, of] of Object.entries(kinds)) told.kinds[kind] = Math.max(told.kinds[kind] ?? 0, of);
    if (calls % (AT_ONCE * 64) === 0) mostRss = Math.max(mostRss, process.memoryUsage.rss());
  }
  const last = counted();
  const after = await settled();
  await backplane.close();
  console.log(JSON.stringify({ calls, before, after, mostRss, told, last }));
}

main();
