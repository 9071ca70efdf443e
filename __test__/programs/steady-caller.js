'use strict';

// Makes one call after the other, until its parent is gone, and tells of each what became of it.
// Reads, and from the parent's first message on writes.

const { setTimeout: sleep } = require('node:timers/promises');
const { createBackplane } = require('../..');

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const backplane = createBackplane({ ...JSON.parse(process.argv[2]), logger: silent });
let isWriting = false;

async function call(i) {
  if (isWriting) return (await backplane.cacheSet('k', i)) && (await backplane.cacheGet('k')) === i;
  return (await backplane.cacheGet('none')) === null;
}

async function main() {
  for (let i = 0; process.connected; i += 1) {
    const begunAt = Date.now();
    const isRight = await call(i);
    process.send({ begunAt, isRight, ms: Date.now() - begunAt, status: backplane.getClient().status });
    await sleep(2);
  }
  await backplane.close();
}

process.once('message', () => {
  isWriting = true;
});
main();
