'use strict';

// Holds a lock while its main thread does nothing else for a while; tells what its signal says then.

const { createBackplane } = require('../..');
const { block } = require('../support/locks');

const { use, how, ms, ttlSeconds, ...options } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const backplane = createBackplane({ ...options, logger: silent });

const HOW = {
  atomics: () => block(ms),
  loop() {
    const until = performance.now() + ms;
    while (performance.now() < until);
  },
  /** No native call begins or ends, but the collector runs. */
  garbage() {
    const until = performance.now() + ms;
    let kept = [];
    while (performance.now() < until) kept = kept.length > 1e4 ? [] : [...kept, {}];
  },
};

function thrown(signal) {
  try {
    signal.throwIfAborted();
    return null;
  } catch ({ code }) {
    return code;
  }
}

const USES = {
  renewed: () => backplane.withLock('k', { ttlSeconds }, async ({ signal }) => {
    const before = signal.aborted;
    console.log('blocking');
    HOW[how]();
    const atOnce = signal.aborted;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return { before, atOnce, after: signal.aborted };
  }),
  async owned() {
    const signals = [];
    for (const key of ['aborted', 'reason', 'throwIfAborted', 'first']) signals.push(await backplane.lock(key, { ttlSeconds }));
    const [aborted, reason, throwing] = signals.map(({ signal }, i) => (i < 3 ? signal : null));
    const before = [aborted.aborted, reason.reason === undefined, thrown(throwing)];
    HOW[how]();
    return { before, atOnce: [aborted.aborted, reason.reason?.code, thrown(throwing), signals[3].signal.aborted] };
  },
};

backplane.cacheGet('settled').then(USES[use]).then(async (answer) => {
  console.log(JSON.stringify(answer));
  await backplane.close();
});
