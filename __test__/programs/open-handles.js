'use strict';

// What is left open, as jest looks for it: every asynchronous resource that has not been destroyed, and does not say
// itself that it keeps nothing alive.

const asyncHooks = require('node:async_hooks');

const { url } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
/** Whatever jest does not look at, and this program's own. */
const PASSING = ['PROMISE', 'TIMERWRAP', 'TickObject', 'Immediate', 'Timeout', 'RANDOMBYTESREQUEST', 'FSREQCALLBACK'];

const open = new Map();
asyncHooks
  .createHook({
    init(id, type, _trigger, resource) {
      if (!PASSING.includes(type)) open.set(id, { type, resource });
    },
    destroy: (id) => open.delete(id),
  })
  .enable();

/** Also what has been let go by a turn of the event loop that is still to come. */
async function left() {
  for (let i = 0; i < 10; i++) await new Promise(setImmediate);
  return [...open.values()].filter(({ resource }) => resource.hasRef?.() ?? true).map(({ type }) => type);
}

async function main() {
  const { createBackplane } = require('../..');
  const seen = { loaded: await left() };
  const backplane = createBackplane({ url, logger: silent });
  await backplane.cacheSet('k', 1);
  seen.idle = await left();
  const subscriber = backplane.createSubscriber();
  await subscriber.subscribe('c');
  seen.subscribed = await left();
  await subscriber.quit();
  seen.unsubscribed = await left();
  await backplane.close();
  seen.closed = await left();
  return seen;
}

main().then((seen) => console.log(JSON.stringify(seen)));
