'use strict';

// Deletes a million keys by pattern and looks at what that costs this process meanwhile.

const { monitorEventLoopDelay } = require('node:perf_hooks');
const { createBackplane } = require('../..');

const { url, pattern } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const MB = 1024 * 1024;
const NS_PER_MS = 1e6;
const SAMPLE_EVERY_MS = 10;

async function main() {
  const backplane = createBackplane({ url, logger: silent });
  const client = backplane.getClient();
  // The lanes are open and warm before anything is measured.
  await backplane.cacheSet('other', { a: 1 });
  for (let i = 0; i < 2000; i++) await backplane.cacheGet('other');
  await backplane.cacheDeletePattern('no such key');
  const keysBefore = await client.call('DBSIZE');

  globalThis.gc();
  const rssBefore = process.memoryUsage.rss();
  let rssMost = rssBefore;
  const sampler = setInterval(() => {
    rssMost = Math.max(rssMost, process.memoryUsage.rss());
  }, SAMPLE_EVERY_MS);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();

  const began = performance.now();
  let over = false;
  const deletion = backplane.cacheDeletePattern(pattern).finally(() => {
    over = true;
  });
  let gets = 0;
  let slowestGetMs = 0;
  let wrong = 0;
  while (!over) {
    const asked = performance.now();
    const read = await backplane.cacheGet('other');
    slowestGetMs = Math.max(slowestGetMs, performance.now() - asked);
    if (read?.a !== 1) wrong += 1;
    if (!over) gets += 1;
  }
  const removed = await deletion;
  const seconds = (performance.now() - began) / 1000;

  delay.disable();
  clearInterval(sampler);
  rssMost = Math.max(rssMost, process.memoryUsage.rss());
  const keysAfter = await client.call('DBSIZE');
  await backplane.close();
  return {
    removed, keysBefore, keysAfter, gets, wrong, seconds, slowestGetMs,
    rssGrowthMb: (rssMost - rssBefore) / MB,
    delayMs: { mean: delay.mean / NS_PER_MS, p99: delay.percentile(99) / NS_PER_MS, max: delay.max / NS_PER_MS },
  };
}

main().then((result) => console.log(JSON.stringify(result)));
