'use strict';

const { uniquePrefix } = require('./support');
const { controlledLoader, outcomeOf } = require('./support/deferred');
const { PLACES, usePlace } = require('./support/places');

const cycle = {};
cycle.self = cycle;

describe.each(PLACES)('loaders that fail on %s', (where, start) => {
  const place = usePlace(start);
  let cache;
  let wire;

  beforeEach(async () => {
    const keyPrefix = uniquePrefix();
    wire = `${keyPrefix}cache:k`;
    cache = await place.open({ keyPrefix });
  });

  /** Nothing is left: no value, no placeholder, and the next call loads. */
  async function expectNothingLeft() {
    expect(await cache.cacheGet('k')).toBeNull();
    if (where === 'redis') expect(await place.redis.command('EXISTS', wire)).toBe(0);
    expect(await cache.cacheGetOrSet('k', () => 'next')).toBe('next');
    expect(await cache.cacheGet('k')).toBe('next');
  }

  const FAILURES = [
    ['rejects', (error) => Promise.reject(error)],
    ['throws at once', (error) => { throw error; }],
    ['rejects later', async (error) => { await null; throw error; }],
  ];

  test.each(FAILURES)('one that %s: all its callers get that very error, and nothing is kept', async (_how, fail) => {
    const error = new Error('provoked by a test');
    let runs = 0;
    const loader = () => {
      runs += 1;
      return fail(error);
    };
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => outcomeOf(cache.cacheGetOrSet('k', loader))));
    expect(outcomes.every((outcome) => outcome.error === error)).toBe(true);
    expect(runs).toBeLessThan(100);
    await expectNothingLeft();
  });

  test.each([[undefined], [null], [0], ['text'], [{ code: 'E_OWN' }]])('what it rejects with may be anything: %j', async (reason) => {
    const caught = await cache.cacheGetOrSet('k', () => Promise.reject(reason)).then(
      () => 'resolved',
      (error) => ({ error })
    );
    expect(caught).toEqual({ error: reason });
    await expectNothingLeft();
  });

  test('one run for all who wait, and the next call tries again', async () => {
    const failing = controlledLoader();
    const callers = Array.from({ length: 50 }, () => outcomeOf(cache.cacheGetOrSet('k', failing)));
    await failing.begun;
    // Everybody has joined when a call that was made after them has been answered.
    await cache.cacheGet('another');
    await cache.cacheGet('another');
    failing.fail(new TypeError('provoked by a test'));
    expect(new Set((await Promise.all(callers)).map(({ error }) => error)).size).toBe(1);
    expect(failing.runs).toBe(1);
    await expectNothingLeft();
  });

  test.each([
    ['undefined', undefined],
    ['a function', () => {}],
    ['a symbol', Symbol('s')],
    ['a BigInt', 1n],
    ['a cycle', cycle],
    ['a toJSON that throws', { toJSON() { throw new Error('provoked by a test'); } }],
    ['a toJSON that gives undefined', { toJSON: () => undefined }],
  ])('%s cannot be kept', async (_what, value) => {
    const { code, error } = await outcomeOf(cache.cacheGetOrSet('k', async () => value));
    expect([code, error instanceof TypeError]).toEqual(['E_INVALID_VALUE', true]);
    await expectNothingLeft();
  });

  test('one that never settles is given up, its key is freed, what it brings later is not kept', async () => {
    const slow = controlledLoader();
    const callers = [1, 2, 3].map(() => outcomeOf(cache.cacheGetOrSet('k', slow, { loaderTimeoutMs: 50 })));
    expect((await Promise.all(callers)).map(({ code }) => code)).toEqual(Array(3).fill('E_LOADER_TIMEOUT'));
    if (where === 'redis') expect(await place.redis.command('EXISTS', wire)).toBe(0);
    slow.finish('too late');
    await slow();
    expect(await cache.cacheGet('k')).toBeNull();
    await expectNothingLeft();
  });

  test('what comes too late, also as a rejection, does not disturb the next run', async () => {
    const slow = controlledLoader();
    expect((await outcomeOf(cache.cacheGetOrSet('k', slow, { loaderTimeoutMs: 20 }))).code).toBe('E_LOADER_TIMEOUT');
    const next = controlledLoader();
    const value = cache.cacheGetOrSet('k', next);
    await next.begun;
    slow.fail(new Error('provoked by a test'));
    next.finish('next');
    expect(await value).toBe('next');
    expect(await cache.cacheGet('k')).toBe('next');
  });

  test('a failure of one key is not that of another', async () => {
    const error = new Error('provoked by a test');
    const calls = Array.from({ length: 100 }, (_, i) =>
      outcomeOf(cache.cacheGetOrSet(`k${i}`, () => (i % 2 ? Promise.reject(error) : i))));
    expect(await Promise.all(calls)).toEqual(calls.map((_, i) => (i % 2 ? { code: undefined, error } : { value: i })));
  });

  test('a set while the loader fails stays', async () => {
    const failing = controlledLoader();
    const outcome = outcomeOf(cache.cacheGetOrSet('k', failing));
    await failing.begun;
    await cache.cacheSet('k', 'set');
    failing.fail(new Error('provoked by a test'));
    await outcome;
    expect(await cache.cacheGet('k')).toBe('set');
  });
});
