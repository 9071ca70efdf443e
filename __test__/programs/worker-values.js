'use strict';

// Workers that are terminated while large values are on their way to them, one after another; what the process
// weighs after some of them, and after all.

const { once } = require('node:events');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const VALUE_BYTES = 1_000_000;
const AT_ONCE = 4;

async function work({ url }) {
  const { createBackplane } = require('../..');
  const backplane = createBackplane({ url, logger: silent });
  await backplane.cacheSet('value', 'x'.repeat(VALUE_BYTES));
  const readOn = async () => {
    for (;;) await backplane.cacheGet('value');
  };
  for (let i = 0; i < 20; i++) readOn();
  await backplane.cacheGet('value');
  parentPort.postMessage('under way');
}

async function oneWorker(url) {
  const worker = new Worker(__filename, { workerData: { url } });
  await once(worker, 'message');
  await worker.terminate();
}

async function main() {
  const { url, warmUp, rounds } = JSON.parse(process.argv[2]);
  const run = async (count) => {
    for (let i = 0; i < count; i += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, () => oneWorker(url)));
    globalThis.gc();
    return process.memoryUsage.rss();
  };
  const before = await run(warmUp);
  const after = await run(rounds);
  console.log(JSON.stringify({ before, after }));
}

if (isMainThread) main();
else work(workerData);
