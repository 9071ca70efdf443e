'use strict';

// Opens, uses and closes one backplane after another, and looks at what is left of them.

const fs = require('node:fs');
const { RespClient } = require('../../scripts/resp-client');
const { until } = require('../support/until');
const { createBackplane } = require('../..');

const { url, port, cycles, warmUp = 1, subscribes = false } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const observer = new RespClient(port);

async function connections() {
  const list = await observer.command('CLIENT', 'LIST');
  return list.split('\n').filter((line) => line.includes('name=redis-backplane')).length;
}

const threads = () => (process.platform === 'linux' ? fs.readdirSync('/proc/self/task').length : 0);

/** Memory as it is when nothing is left to collect. */
async function residentBytes() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage.rss();
}

/** Subscribes in every way, hears something, and ends nothing: the backplane's end has to do. */
async function subscribe(backplane) {
  const pubSub = backplane.getPubSub();
  const heard = new Promise((resolve) => pubSub.subscribe('c', resolve));
  const iterator = pubSub.messages('c');
  const next = iterator.next();
  const handles = Array.from({ length: 3 }, () => backplane.createSubscriber());
  for (const handle of handles) await handle.subscribe(Array.from({ length: 20 }, (_, i) => `c${i}`), () => {}, true);
  await handles[0].psubscribe('c*');
  await handles[1].ssubscribe('c');
  await handles[2].quit();
  await backplane.publish('c', 'x'.repeat(10_000));
  await Promise.all([heard, next]);
}

async function cycle() {
  const backplane = createBackplane({ url, logger: silent });
  backplane.getClient().on('error', () => {});
  await Promise.all(Array.from({ length: 50 }, (_, i) => backplane.cacheSet(`k${i}`, { i, text: 'x'.repeat(1000) })));
  await Promise.all(Array.from({ length: 50 }, (_, i) => backplane.cacheGet(`k${i}`)));
  await backplane.cacheSet('large', 'x'.repeat(300_000));
  await backplane.cacheGetOrSet('loaded', () => 1);
  await backplane.cacheDeletePattern('k*');
  if (subscribes) await subscribe(backplane);
  const seen = await connections();
  await backplane.close();
  return seen;
}

async function measure() {
  return { threads: threads(), rss: await residentBytes() };
}

async function main() {
  let during = 0;
  for (let i = 0; i < warmUp; i++) during = Math.max(during, await cycle());
  const before = await measure();
  for (let i = 0; i < cycles; i++) await cycle();
  const after = await measure();
  await until(async () => (await connections()) === 0, { what: 'no connection left' });
  const left = await connections();
  observer.close();
  return {
    during,
    after: left,
    threads: { before: before.threads, after: after.threads },
    rss: { before: before.rss, after: after.rss },
  };
}

main().then((result) => console.log(JSON.stringify(result)));
