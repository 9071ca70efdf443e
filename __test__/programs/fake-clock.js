'use strict';

// Calls while a clock of @sinonjs/fake-timers stands still: with the package loaded before it is installed, or after.

const root = require.resolve('../..');
const { install } = require(require.resolve('@sinonjs/fake-timers', { paths: [require.resolve('@jest/fake-timers')] }));

const { url, order } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const realTimeout = setTimeout;

/** A turn that no clock stops. */
const turn = () => new Promise((resolve) => realTimeout(resolve, 5));

async function main() {
  if (order === 'loaded first') require(root);
  const clock = install();
  const { createBackplane } = require(root);
  const backplane = createBackplane({ url, logger: silent, keyPrefix: `fake-clock:${process.pid}:` });
  const during = [await backplane.cacheSet('k', 1), await backplane.cacheGet('k'), await backplane.cacheGetOrSet('l', () => 2)];
  const announced = new Promise((resolve) => backplane.createSubscriber().once('ready', () => resolve('ready')));
  during.push(await announced);
  // A limit that is known to be exhausted is asked for again when its time has come.
  await backplane.checkRateLimit('r', 1, 0.5);
  const verdicts = new Set();
  for (let isOver = false; !isOver; await turn()) {
    const { allowed } = await backplane.checkRateLimit('r', 1, 0.5);
    verdicts.add(allowed);
    isOver = allowed;
  }
  clock.uninstall();
  const after = [await backplane.cacheGet('k'), await backplane.lock('m').then((lock) => lock.release())];
  await backplane.close();
  console.log(JSON.stringify({ during, verdicts: [...verdicts], after }));
}

main();
