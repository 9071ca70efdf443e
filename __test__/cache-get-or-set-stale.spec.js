'use strict';

const { until } = require('./support');
const { controlledLoader, outcomeOf } = require('./support/deferred');
const { PLACES, usePlace } = require('./support/places');

const STALE = { ttlSeconds: 0.01, staleSeconds: 100 };
const error = new Error('provoked by a test');
const failing = () => Promise.reject(error);

describe.each(PLACES)('staleSeconds on %s', (_where, start) => {
  const place = usePlace(start);
  let cache;

  beforeEach(async () => {
    cache = await place.open();
  });

  /** Loads `k` and waits until it is no longer fresh. */
  async function loadOld(value = { old: [1] }, options = STALE) {
    await cache.cacheGetOrSet('k', () => value, options);
    await until(async () => (await cache.cacheGet('k')) === null, { what: 'the value is stale' });
  }

  test('within the TTL the value is fresh, for cacheGet too', async () => {
    await cache.cacheGetOrSet('k', () => 'v', { ttlSeconds: 100, staleSeconds: 100 });
    expect(await cache.cacheGet('k')).toBe('v');
    expect(await cache.cacheGetOrSet('k', failing)).toBe('v');
  });

  test.each([
    ['rejects', failing, {}],
    ['throws', () => { throw error; }, {}],
    ['loads what JSON cannot hold', () => undefined, {}],
    ['never settles', () => new Promise(() => {}), { loaderTimeoutMs: 20 }],
  ])('after it the old value is served when the loader %s, again and again', async (_how, loader, options) => {
    await loadOld();
    for (let i = 0; i < 3; i++) {
      expect(await cache.cacheGetOrSet('k', loader, { ...STALE, ...options })).toEqual({ old: [1] });
      expect(await cache.cacheGet('k')).toBeNull();
    }
  });

  test.each([null, false, 0, ''])('%j is served stale like any other', async (value) => {
    await cache.cacheGetOrSet('k', () => value, STALE);
    await until(async () => (await outcomeOf(cache.cacheGetOrSet('k', () => 'fresh', { staleSeconds: 1 }))).value === 'fresh', {
      what: 'the value is stale',
    });
    await cache.cacheDelete('k');
    await cache.cacheGetOrSet('k', () => value, STALE);
    let asked = false;
    const served = [];
    await until(async () => {
      served.push(await cache.cacheGetOrSet('k', () => { asked = true; return failing(); }, STALE));
      return asked;
    }, { what: 'a loader is asked' });
    expect(new Set(served)).toEqual(new Set([value]));
  });

  test('all who wait for the failing run get the old value, each a copy of its own', async () => {
    await loadOld();
    const loader = controlledLoader();
    const callers = Array.from({ length: 100 }, () => cache.cacheGetOrSet('k', loader, STALE));
    await loader.begun;
    loader.fail(error);
    const values = await Promise.all(callers);
    expect(values.every((value) => JSON.stringify(value) === '{"old":[1]}')).toBe(true);
    expect(new Set(values).size).toBe(100);
  });

  test('a loader that works replaces it, and one run is enough', async () => {
    await loadOld();
    const loader = controlledLoader();
    const callers = Array.from({ length: 100 }, () => cache.cacheGetOrSet('k', loader, { ttlSeconds: 100, staleSeconds: 100 }));
    await loader.begun;
    await cache.cacheGet('another');
    await cache.cacheGet('another');
    loader.finish('new');
    expect(new Set(await Promise.all(callers))).toEqual(new Set(['new']));
    expect(loader.runs).toBe(1);
    expect(await cache.cacheGet('k')).toBe('new');
  });

  test('a deleted, replaced or really expired value is not served', async () => {
    await loadOld();
    await cache.cacheDelete('k');
    await expect(cache.cacheGetOrSet('k', failing, STALE)).rejects.toBe(error);
    await loadOld();
    await cache.cacheDeletePattern('*');
    await expect(cache.cacheGetOrSet('k', failing, STALE)).rejects.toBe(error);
    await loadOld();
    await cache.cacheSet('k', 'set', 0.001);
    await until(async () => (await cache.cacheGet('k')) === null, { what: 'the set value expires' });
    await expect(cache.cacheGetOrSet('k', failing, STALE)).rejects.toBe(error);
    await loadOld('short', { ttlSeconds: 0.001, staleSeconds: 0.001 });
    await until(async () => (await outcomeOf(cache.cacheGetOrSet('k', failing, STALE))).error === error, {
      what: 'the stale value is gone',
    });
  });

  test('without staleSeconds nothing is served late', async () => {
    await cache.cacheGetOrSet('k', () => 'old', { ttlSeconds: 0.001 });
    await until(async () => (await outcomeOf(cache.cacheGetOrSet('k', failing, STALE))).error === error, {
      what: 'the value is gone',
    });
  });

  test('a large one is served too', async () => {
    const large = 'x'.repeat(400_000);
    await loadOld(large);
    expect((await cache.cacheGetOrSet('k', failing, STALE)) === large).toBe(true);
    await cache.cacheGetOrSet('k', () => `${large}2`, { ttlSeconds: 100, staleSeconds: 100 });
    expect((await cache.cacheGet('k')) === `${large}2`).toBe(true);
  });
});
