'use strict';

const { ear, heardUpToNow } = require('./heard');
const { until } = require('./until');

/** A pubsub that listens to a channel, with what it has heard and what it may have missed. */
async function subscribed(backplane, channel = 'c') {
  const pubSub = backplane.getPubSub();
  const gaps = [];
  pubSub.on('gap', (gap) => gaps.push(gap));
  const listener = ear();
  expect(await pubSub.subscribe(channel, listener)).toBe(true);
  const publish = (message) => backplane.publish(channel, message);
  return {
    pubSub,
    gaps,
    listener,
    publish,
    /** What has been heard when nothing is under way any more. */
    heard: () => heardUpToNow(publish, listener),
    /** Resolves when so many gaps have been told. */
    isWhole: (times = 1) => until(() => gaps.length >= times, { what: `gap number ${times}` }),
    /** There was one gap, and it is over. */
    expectOneGap() {
      expect(gaps).toEqual([{ since: expect.any(Number), until: expect.any(Number), reason: expect.stringMatching(/./), dropped: 0 }]);
      const [gap] = gaps;
      expect(gap.since).toBeLessThanOrEqual(gap.until);
      expect(gap.until).toBeLessThanOrEqual(Date.now());
    },
  };
}

/** What the server knows of a channel. */
const receivers = async (redis, channel = 'c') => (await redis.command('PUBSUB', 'NUMSUB', channel))[1];

/** Everything works on Redis: one subscription of each, from here and from elsewhere, each once. */
async function expectOnRedis(redis, { pubSub, listener, publish, heard }) {
  expect(await pubSub.initialize()).toBe(true);
  await until(async () => (await receivers(redis)) === 1, { what: 'subscribed on the server' });
  const from = listener.heard.length;
  expect(await redis.command('PUBLISH', 'c', '"from elsewhere"')).toBe(1);
  expect(await publish('from here')).toBe(1);
  await heard();
  expect(listener.heard.slice(from, -1)).toEqual(['from elsewhere', 'from here']);
}

/** Everything works in this process while Redis is away. */
async function expectAlone(backplane, { pubSub, listener, publish, heard }) {
  const from = listener.heard.length;
  expect(await publish('alone')).toBe(1);
  expect(await backplane.publish('nobody listens', 1)).toBe(0);
  await heard();
  expect(listener.heard.slice(from, -1)).toEqual(['alone']);
  expect(await pubSub.initialize()).toBe(false);
  expect(await backplane.getClient().sendCommand(['PUBSUB', 'NUMSUB', 'c'])).toEqual(['c', 1]);
}

module.exports = { expectAlone, expectOnRedis, receivers, subscribed };
