'use strict';

const { startRedis } = require('./support');
const { onMemory, usePlace } = require('./support/places');
const { outcomeOf } = require('./support/deferred');
const { resultOf } = require('./support/program');

describe('one AbortSignal for many', () => {
  let redis;

  beforeAll(async () => {
    redis = await startRedis();
  });

  afterAll(() => redis.stop());

  test('warns of nothing, stops all of them, and leaves nothing behind', async () => {
    expect(await resultOf('one-signal.js', { url: redis.url })).toEqual({
      warnings: [],
      reasons: ['enough'],
      isHeld: true,
      isFree: true,
      afterwards: ['enough'],
    });
  });
});

describe('what only looks like an AbortSignal', () => {
  const place = usePlace(onMemory);

  /** `broken` takes the place of a member of a signal that is good otherwise. */
  function signalWith(broken) {
    const { signal } = new AbortController();
    return new Proxy(signal, {
      get(target, name) {
        if (name in broken) return broken[name]();
        const value = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  const fails = () => {
    throw new Error('provoked by a test');
  };

  test('cannot be listened to: the lock is not taken', async () => {
    const backplane = await place.open();
    const signal = signalWith({ addEventListener: () => fails });
    expect((await outcomeOf(backplane.lock('k', { signal }))).error.message).toBe('provoked by a test');
    expect(await backplane.acquireLock('k')).toBe(true);
  });

  test('cannot be left: the lock is taken all the same', async () => {
    const backplane = await place.open();
    const lock = await backplane.lock('k', { signal: signalWith({ removeEventListener: () => fails }) });
    expect(await lock.release()).toBe(true);
  });
});
