'use strict';

const { until } = require('./support');
const { controlledLoader } = require('./support/deferred');
const { PLACES, usePlace } = require('./support/places');

describe.each(PLACES)('cacheGetOrSet on %s', (_where, start) => {
  const place = usePlace(start);
  let cache;

  beforeEach(async () => {
    cache = await place.open();
  });

  const never = () => {
    throw new Error('this loader should not run');
  };

  test('loads what is not there, and keeps it', async () => {
    expect(await cache.cacheGetOrSet('k', async () => ({ loaded: 1 }))).toEqual({ loaded: 1 });
    expect(await cache.cacheGetOrSet('k', never)).toEqual({ loaded: 1 });
    expect(await cache.cacheGet('k')).toEqual({ loaded: 1 });
  });

  test('reads what was set', async () => {
    await cache.cacheSet('k', 'set');
    expect(await cache.cacheGetOrSet('k', never)).toBe('set');
  });

  test.each([null, false, 0, '', [], {}])('%j that is cached is a hit', async (value) => {
    expect(await cache.cacheGetOrSet('loaded', () => value)).toEqual(value);
    expect(await cache.cacheGetOrSet('loaded', never)).toEqual(value);
    await cache.cacheSet('set', value);
    expect(await cache.cacheGetOrSet('set', never)).toEqual(value);
  });

  test('what is loaded comes back as JSON gives it, to the first caller too', async () => {
    const loaded = { date: new Date(0), map: new Map([[1, 2]]), gone: undefined, zero: -0, not: NaN };
    const expected = { date: '1970-01-01T00:00:00.000Z', map: {}, zero: 0, not: null };
    expect(await cache.cacheGetOrSet('k', () => loaded)).toStrictEqual(expected);
    expect(await cache.cacheGetOrSet('k', never)).toStrictEqual(expected);
  });

  test('10,000 callers share one run, each with a copy of its own', async () => {
    const loader = controlledLoader();
    const callers = Array.from({ length: 10_000 }, () => cache.cacheGetOrSet('k', loader));
    await loader.begun;
    loader.finish({ list: [1] });
    const values = await Promise.all(callers);
    expect(loader.runs).toBe(1);
    expect(values.every((value) => JSON.stringify(value) === '{"list":[1]}')).toBe(true);
    expect(new Set(values).size).toBe(10_000);
    expect(new Set(values.map((value) => value.list)).size).toBe(10_000);
  });

  test('changing what one caller got changes nothing for the others, nor what is kept', async () => {
    const loader = controlledLoader();
    const source = { list: [1] };
    const callers = [cache.cacheGetOrSet('k', loader), cache.cacheGetOrSet('k', loader)];
    await loader.begun;
    loader.finish(source);
    const [one, other] = await Promise.all(callers);
    one.list.push('changed');
    source.list.push('changed too');
    expect([other, await cache.cacheGet('k')]).toEqual([{ list: [1] }, { list: [1] }]);
  });

  test('callers that come while it loads share the run', async () => {
    const loader = controlledLoader();
    const callers = [cache.cacheGetOrSet('k', loader)];
    await loader.begun;
    for (let turn = 0; turn < 50; turn++) {
      callers.push(cache.cacheGetOrSet('k', loader));
      await new Promise((resolve) => setImmediate(resolve));
    }
    loader.finish('v');
    expect(new Set(await Promise.all(callers))).toEqual(new Set(['v']));
    expect(loader.runs).toBe(1);
  });

  test('a caller that comes at the very moment when the load ends makes no second run', async () => {
    const loader = controlledLoader();
    const first = cache.cacheGetOrSet('k', loader);
    await loader.begun;
    const late = cache.cacheGetOrSet('k', loader);
    loader.finish('v');
    expect(await Promise.all([first, late])).toEqual(['v', 'v']);
    expect(loader.runs).toBe(1);
  });

  test('callers that keep coming before, while and after it loads make one run', async () => {
    for (let round = 0; round < 20; round++) {
      let runs = 0;
      const load = () => cache.cacheGetOrSet(`round:${round}`, async () => ++runs);
      const callers = [];
      for (let turn = 0; turn < 50; turn++) {
        callers.push(load(), load(), load());
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(new Set(await Promise.all(callers))).toEqual(new Set([1]));
    }
  });

  test('a large value is shared too', async () => {
    const loader = controlledLoader();
    const callers = Array.from({ length: 100 }, () => cache.cacheGetOrSet('k', loader));
    await loader.begun;
    const large = 'x'.repeat(400_000);
    loader.finish(large);
    const values = await Promise.all(callers);
    expect(values.every((value) => value === large)).toBe(true);
    expect((await cache.cacheGet('k')) === large).toBe(true);
    expect(loader.runs).toBe(1);
  });

  test('keys do not share: 1,000 of them load, each its own', async () => {
    const keys = Array.from({ length: 1000 }, (_, i) => `${i % 3 ? 'k' : '😀'}${i}`);
    const callers = [...keys, ...keys].map((key) => cache.cacheGetOrSet(key, async () => `of ${key}`));
    expect(await Promise.all(callers)).toEqual([...keys, ...keys].map((key) => `of ${key}`));
    expect(await Promise.all(keys.map((key) => cache.cacheGet(key)))).toEqual(keys.map((key) => `of ${key}`));
  });

  test('backplanes do not share a run, nor a value under other prefixes', async () => {
    const other = await place.open();
    const load = (one, name) => one.cacheGetOrSet('k', async () => name);
    expect(await Promise.all([load(cache, 'one'), load(other, 'other')])).toEqual(['one', 'other']);
    expect(await Promise.all([cache.cacheGet('k'), other.cacheGet('k')])).toEqual(['one', 'other']);
  });

  test('a loader may use the cache, also through cacheGetOrSet', async () => {
    const outer = await cache.cacheGetOrSet('outer', async () => {
      await cache.cacheSet('side', 1);
      const inner = await cache.cacheGetOrSet('inner', async () => (await cache.cacheGet('side')) + 1);
      return inner + 1;
    });
    expect(outer).toBe(3);
    expect(await Promise.all(['side', 'inner', 'outer'].map((key) => cache.cacheGet(key)))).toEqual([1, 2, 3]);
  });

  test('while it loads, cacheGet has nothing', async () => {
    const loader = controlledLoader();
    const caller = cache.cacheGetOrSet('k', loader);
    await loader.begun;
    expect(await cache.cacheGet('k')).toBeNull();
    loader.finish(1);
    await caller;
  });

  test('after its TTL it is loaded again', async () => {
    const loader = controlledLoader();
    loader.finish('v');
    await cache.cacheGetOrSet('k', loader, { ttlSeconds: 0.01 });
    await until(async () => (await cache.cacheGet('k')) === null, { what: 'the value expires' });
    expect(await cache.cacheGetOrSet('k', loader, { ttlSeconds: 100 })).toBe('v');
    expect(loader.runs).toBe(2);
  });

  test('options that are undefined count as left out', async () => {
    const options = { ttlSeconds: undefined, staleSeconds: undefined, loaderTimeoutMs: undefined };
    expect(await cache.cacheGetOrSet('k', () => 1, options)).toBe(1);
    expect(await cache.cacheGetOrSet('other', () => 2, undefined)).toBe(2);
  });
});
