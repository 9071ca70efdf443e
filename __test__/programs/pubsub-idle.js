'use strict';

// Uses pub/sub without a subscription that is open in the end. It has to end by itself.

const { createBackplane } = require('../..');

const { url, use } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const backplane = createBackplane({ url, logger: silent, connectTimeoutMs: 500, commandTimeoutMs: 500 });
const pubSub = backplane.getPubSub();

const USES = {
  initialize: () => pubSub.initialize().then((there) => typeof there),
  publish: () => backplane.publish('c', 1),
  handle: () => backplane.createSubscriber().unsubscribe(),
  iteratorNotBegun: async () => typeof pubSub.messages('c').next,
  async unsubscribed() {
    const handle = backplane.createSubscriber();
    await Promise.all([pubSub.subscribe('c', () => {}), handle.subscribe('c', 'd'), handle.psubscribe('c*', () => {})]);
    return [await pubSub.unsubscribe('c'), await handle.unsubscribe(), await handle.punsubscribe('c*')];
  },
  /** What ends before it has come into effect holds nothing either. */
  async atOnce() {
    pubSub.subscribe('c', () => {});
    pubSub.unsubscribe('c');
    const handle = backplane.createSubscriber();
    handle.subscribe('c');
    handle.quit();
    return 0;
  },
  async rejected() {
    const calls = [pubSub.subscribe('', () => {}), pubSub.subscribe('c'), backplane.createSubscriber().subscribe()];
    return (await Promise.allSettled(calls)).map(({ reason }) => reason.code);
  },
  async resources() {
    const before = process.getActiveResourcesInfo().sort();
    await pubSub.subscribe('c', () => {});
    const handle = backplane.createSubscriber();
    await handle.subscribe('c', 'd');
    const next = pubSub.messages('c').next();
    await backplane.publish('c', 1);
    await backplane.close();
    await next;
    // Node itself has an immediate for a turn, when it collects what an addon has made.
    await new Promise(setImmediate);
    const after = process.getActiveResourcesInfo().sort();
    return JSON.stringify(before) === JSON.stringify(after) ? 'the same' : { before, after };
  },
};

USES[use]().then((result) => console.log(JSON.stringify(result)));
