'use strict';

// Workers that end in the middle of their calls, beside a main thread that goes on calling.

const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { createBackplane } = require('../..');

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** What a worker does after it has made its calls. */
const ENDS = {
  terminate: () => parentPort.postMessage('terminate me'),
  exit: () => process.exit(0),
  exception: () => {
    throw new Error('provoked by a test');
  },
  close: (backplane) => backplane.close(),
  idle: () => {},
};

async function work({ url, end }) {
  const backplane = createBackplane({ url, logger: silent, keyPrefix: `${end}:` });
  backplane.getClient().on('error', () => {});
  const own = { end, text: 'é'.repeat(1000) };
  await backplane.cacheSet('own', own);
  const read = await backplane.cacheGet('own');
  const rejects = await backplane.cacheGet('').catch((error) => error instanceof RangeError);
  parentPort.postMessage(read.text === own.text && rejects === true ? 'works' : 'broken');
  for (let i = 0; i < 500; i++) {
    backplane.cacheSet(`k${i}`, own);
    backplane.cacheGet(`k${i}`);
  }
  backplane.cacheSet('large', 'x'.repeat(1 << 20));
  backplane.cacheDeletePattern('k*');
  if (end !== 'close') backplane.cacheGetOrSet('loading', () => new Promise(() => {}), { loaderTimeoutMs: 200 }).catch(() => {});
  await new Promise((resolve) => setImmediate(resolve));
  await ENDS[end](backplane);
}

/** One worker from its start to its end; answers what it said. */
async function runWorker(url, end) {
  const worker = new Worker(__filename, { workerData: { url, end } });
  const said = [];
  worker.on('message', (message) => {
    said.push(message);
    if (message === 'terminate me') worker.terminate();
  });
  worker.on('error', (error) => said.push(error.message));
  await new Promise((resolve) => worker.once('exit', resolve));
  return said;
}

async function main() {
  const { url, end, rounds, atOnce = 1 } = JSON.parse(process.argv[2]);
  const backplane = createBackplane({ url, logger: silent, keyPrefix: 'main:' });
  await backplane.cacheGet('settled');
  let calls = 0;
  let wrong = 0;
  let over = false;
  const busy = (async () => {
    while (!over) {
      const value = { calls };
      const answers = await Promise.all([backplane.cacheSet('k', value), backplane.cacheGet('k')]);
      if (answers[0] !== true || answers[1]?.calls !== calls) wrong += 1;
      calls += 1;
    }
  })();
  const said = [];
  for (let round = 0; round < rounds; round++) {
    said.push(...(await Promise.all(Array.from({ length: atOnce }, () => runWorker(url, end)))));
  }
  over = true;
  await busy;
  await backplane.close();
  console.log(JSON.stringify({ said, wrong, called: calls > 0 }));
}

if (isMainThread) main();
else work(workerData);
