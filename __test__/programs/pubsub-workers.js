'use strict';

// Workers that are terminated while messages come to their subscriptions, beside a main thread
// that hears the same messages and goes on.

const { once } = require('node:events');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { RespClient } = require('../../scripts/resp-client');
const { until } = require('../support/until');
const { createBackplane } = require('../..');

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const KEY_PREFIX = 'workers:';

async function work({ url }) {
  const backplane = createBackplane({ url, logger: silent, keyPrefix: KEY_PREFIX });
  const pubSub = backplane.getPubSub();
  const handle = backplane.createSubscriber();
  handle.on('messageBuffer', () => {});
  await handle.subscribe('c', 'd');
  await handle.psubscribe('*', () => {}, true);
  let count = 0;
  await pubSub.subscribe('c', () => {
    count += 1;
    if (count === 20) parentPort.postMessage('terminate me');
  });
  parentPort.postMessage('subscribed');
  for await (const { data } of pubSub.messages('c')) if (data === 'never') return;
}

/** One worker, until it was terminated in the middle of its messages. */
async function runWorker(url, publish) {
  const worker = new Worker(__filename, { workerData: { url } });
  const errors = [];
  worker.on('error', (error) => errors.push(error.message));
  const exit = once(worker, 'exit');
  await once(worker, 'message');
  let isOver = false;
  // In memory a worker hears only what it publishes itself.
  const terminated = url ? once(worker, 'message').then(() => worker.terminate()) : worker.terminate();
  exit.then(() => (isOver = true));
  while (!isOver) await publish();
  await terminated;
  return errors;
}

async function main() {
  const { url, port, rounds } = JSON.parse(process.argv[2]);
  const backplane = createBackplane({ url, logger: silent, keyPrefix: KEY_PREFIX });
  const heard = [];
  await backplane.getPubSub().subscribe('c', (data) => heard.push(data.number));
  let number = 0;
  const publish = async () => {
    const numbers = Array.from({ length: 20 }, () => (number += 1));
    await Promise.all(numbers.map((each) => backplane.publish('c', { number: each, text: 'é'.repeat(1000) })));
    await new Promise(setImmediate);
  };
  const errors = [];
  for (let round = 0; round < rounds; round++) errors.push(...(await runWorker(url, publish)));
  await until(() => heard.length === number, { what: 'every message' });
  const observer = new RespClient(port);
  const subscribers = async () => (await observer.command('PUBSUB', 'NUMSUB', `${KEY_PREFIX}c`))[1];
  await until(async () => (await subscribers()) <= 1, { what: 'the subscriptions of the workers have ended' });
  const left = await subscribers();
  observer.close();
  await backplane.close();
  console.log(JSON.stringify({ errors, isInOrder: heard.every((each, i) => each === i + 1), left }));
}

if (isMainThread) main();
else work(workerData);
