'use strict';

// A worker is terminated; this process goes on and looks at the connections of the worker.

const { once } = require('node:events');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { RespClient } = require('../../scripts/resp-client');
const { until } = require('../support/until');
const { createBackplane } = require('../..');

const silent = { debug() {}, info() {}, warn() {}, error() {} };

async function work({ url }) {
  const backplanes = Array.from({ length: 5 }, () => createBackplane({ url, logger: silent }));
  await Promise.all(backplanes.map((backplane) => backplane.cacheSet('k', 1)));
  await Promise.all(backplanes.map((backplane) => backplane.getClient().ping()));
  parentPort.postMessage('connected');
  // Keeps the worker alive until it is terminated.
  setInterval(() => {}, 1000);
}

async function main() {
  const { url, port } = JSON.parse(process.argv[2]);
  const observer = new RespClient(port);
  const count = async () => {
    const list = await observer.command('CLIENT', 'LIST');
    return list.split('\n').filter((line) => line.includes('name=redis-backplane')).length;
  };
  const worker = new Worker(__filename, { workerData: { url } });
  await once(worker, 'message');
  const during = await count();
  await worker.terminate();
  await until(async () => (await count()) === 0, { what: 'the connections of the worker have ended' });
  const after = await count();
  observer.close();
  console.log(JSON.stringify({ connections: { during, after } }));
}

if (isMainThread) main();
else work(workerData);
