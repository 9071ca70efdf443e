'use strict';

// Asks for credentials on the main thread and in workers; some of these are terminated while they are asked.

const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { createBackplane } = require('../..');

const silent = { debug() {}, info() {}, warn() {}, error() {} };

async function whoAmI({ host, port, login }) {
  const backplane = createBackplane({ host, port, logger: silent, credentials: async () => login });
  await backplane.cacheGet('settled');
  const user = await backplane.getClient().call('ACL', 'WHOAMI');
  await backplane.close();
  return user;
}

/** Never answers: the worker is terminated meanwhile. */
function hang({ host, port }) {
  const credentials = () => {
    parentPort.postMessage('asked');
    return new Promise(() => {});
  };
  createBackplane({ host, port, logger: silent, credentials }).cacheGet('k');
}

function inWorker(settings, hangs) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(__filename, { workerData: { ...settings, hangs } });
    worker.once('error', reject);
    worker.once('message', async (message) => {
      if (!hangs) return resolve(message);
      await worker.terminate();
      return resolve('terminated');
    });
  });
}

async function main() {
  const settings = JSON.parse(process.argv[2]);
  const workers = [false, false, true, true].map((hangs) => inWorker(settings, hangs));
  const main = await whoAmI(settings);
  console.log(JSON.stringify({ main, workers: await Promise.all(workers) }));
}

if (isMainThread) main();
else if (workerData.hangs) hang(workerData);
else whoAmI(workerData).then((user) => parentPort.postMessage(user));
