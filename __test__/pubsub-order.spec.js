'use strict';

const { until } = require('./support');
const { onRedis, usePlace } = require('./support/places');

/** Messages of one process are heard in the order in which they were published, whatever their sizes. */
describe('the order of messages', () => {
  const place = usePlace(onRedis);
  const MESSAGES = 300;
  const ROUNDS = 30;
  const SIZES = { small: [10], medium: [3000], large: [300_000, 10], mixed: [10, 3000, 70_000, 10, 400_000, 2000] };

  /** Whether each is the one after the last. */
  const inOrder = (numbers) => numbers.every((number, i) => number === i);

  it.each(Object.entries(SIZES))('%s ones, on two channels', async (_what, sizes) => {
    const backplane = await place.open();
    const subscriber = backplane.createSubscriber();
    const heard = [];
    subscriber.on('message', (_channel, message) => heard.push(parseInt(message, 10)));
    await subscriber.subscribe('one', 'two');
    const count = Math.min(MESSAGES, Math.floor(2e7 / Math.max(...sizes)));
    for (let round = 0; round < ROUNDS; round++) {
      heard.length = 0;
      const told = Array.from({ length: count }, (_, i) => {
        const message = `${i}:`.padEnd(sizes[i % sizes.length], 'x');
        return backplane.getClient().publish(i % 3 ? 'one' : 'two', message);
      });
      await Promise.all(told);
      await until(() => heard.length === count, { what: 'all were heard' });
      expect(inOrder(heard)).toBe(true);
    }
  });
});
