'use strict';

// Subscribes and unsubscribes at random while connections are killed at random, and compares what
// the server and this process then do with what was asked for.

const { dice } = require('../support/random');
const { isReady, useStage } = require('../support/stage');
const { until } = require('../support');

const CHANNELS = Array.from({ length: 20 }, (_, i) => `channel:${i}`);
const STEPS = 1500;

/** What has been asked for: how many callbacks of each channel, each by its number. */
class Model {
  #wanted = new Map(CHANNELS.map((name) => [name, []]));
  #last = 0;
  heard = [];

  add(name) {
    this.#last += 1;
    const number = this.#last;
    const callback = (data) => this.heard.push([number, data]);
    this.#wanted.get(name).push({ number, callback });
    return callback;
  }

  /** One callback, in turn, or all. */
  remove(name, one) {
    const callbacks = this.#wanted.get(name);
    if (one) return callbacks.shift()?.callback ?? (() => {});
    callbacks.length = 0;
    return undefined;
  }

  subscribed(name) {
    return this.#wanted.get(name).length > 0 ? 1 : 0;
  }

  numbers(name) {
    return this.#wanted.get(name).map(({ number }) => number);
  }
}

describe('random subscriptions in random outages', () => {
  const stage = useStage();

  it.each([1, 2, 3])('seed %i', async (seed) => {
    const { below, pick } = dice(seed);
    const { redis, proxy, backplane } = await stage.ready();
    const pubSub = backplane.getPubSub();
    const handle = backplane.createSubscriber();
    const ofPubSub = new Model();
    const ofHandle = new Model();
    const calls = [];
    const HARMS = [
      () => redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub'),
      () => proxy.cut(),
      () => pick(proxy.links)?.reset(),
      () => redis.restart(),
    ];

    function change() {
      const name = pick(CHANNELS);
      switch (below(5)) {
        case 0:
          calls.push(pubSub.unsubscribe(name, ofPubSub.remove(name, below(2) === 0)));
          break;
        case 1:
          calls.push(handle.unsubscribe(...[name, ofHandle.remove(name, below(2) === 0)].filter(Boolean)));
          break;
        case 2:
          calls.push(handle.subscribe(name, ofHandle.add(name)));
          break;
        default:
          calls.push(pubSub.subscribe(name, ofPubSub.add(name)));
      }
    }

    for (let step = 0; step < STEPS; step += 1) {
      change();
      if (below(3) === 0) await new Promise(setImmediate);
      if (below(10) === 0) await backplane.publish(pick(CHANNELS), `step ${step}`);
      if (below(100) === 0) await pick(HARMS)();
    }
    await Promise.all(calls);
    await isReady(backplane);

    const expected = CHANNELS.map((name) => ofPubSub.subscribed(name) + ofHandle.subscribed(name));
    const counts = async () => (await redis.command('PUBSUB', 'NUMSUB', ...CHANNELS)).filter(Number.isInteger);
    await until(async () => String(await counts()) === String(expected), { what: `${expected} on the server` });
    for (const [i, name] of CHANNELS.entries()) {
      ofPubSub.heard.length = 0;
      ofHandle.heard.length = 0;
      const marker = `marker ${i}`;
      expect(await backplane.publish(name, marker)).toBe(expected[i]);
      const all = () => ofPubSub.heard.length >= ofPubSub.numbers(name).length && ofHandle.heard.length >= ofHandle.numbers(name).length;
      await until(all, { what: 'every callback' });
      expect(ofPubSub.heard).toEqual(ofPubSub.numbers(name).map((number) => [number, marker]));
      expect(ofHandle.heard).toEqual(ofHandle.numbers(name).map((number) => [number, JSON.stringify(marker)]));
    }
  });
});
