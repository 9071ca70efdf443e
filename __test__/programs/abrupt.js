'use strict';

// Ends in the middle of its calls, in the way that it is told.

const { createBackplane } = require('../..');

const { url, how } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const backplane = createBackplane({ url, logger: silent });

const ENDS = {
  exit: () => process.exit(7),
  exception: () => {
    throw new Error('provoked by a test');
  },
  rejection: () => Promise.reject(new Error('provoked by a test')),
};

async function main() {
  await backplane.cacheSet('k', 'x'.repeat(1000));
  for (let i = 0; i < 2000; i++) backplane.cacheGet('k');
  backplane.cacheDeletePattern('*');
  backplane.cacheSet('large', 'x'.repeat(1 << 20));
  backplane.cacheGetOrSet('loaded', () => new Promise(() => {}));
  // Some calls are on their way, some answers too, some calls have just been written.
  setImmediate(() => {
    for (let i = 0; i < 2000; i++) backplane.cacheGet('k');
    ENDS[how]();
  });
}

main();
