'use strict';

const { uniquePrefix, until } = require('./support');
const { controlledLoader } = require('./support/deferred');
const { PLACES, onRedis, usePlace } = require('./support/places');

/** Every way to invalidate what is being loaded. Answers what a later read has to find, if anything. */
const OWN_WAYS = [
  ['a delete', async ({ cache }) => {
    await cache.cacheDelete('k');
  }],
  ['a pattern delete', async ({ cache }) => {
    await cache.cacheDeletePattern('k*');
  }],
  ['a set', async ({ cache }) => (await cache.cacheSet('k', 'set')) && 'set'],
  ['a set of null', async ({ cache }) => (await cache.cacheSet('k', null)) && null],
  ['a delete and a set', async ({ cache }) => (await cache.cacheDelete('k')) && (await cache.cacheSet('k', 'set')) && 'set'],
  ['a set and a delete', async ({ cache }) => {
    await cache.cacheSet('k', 'set');
    await cache.cacheDelete('k');
  }],
];
const OTHER_WAYS = [
  ['a delete by another backplane', async ({ other }) => {
    await other.cacheDelete('k');
  }],
  ['a pattern delete by another backplane', async ({ other }) => {
    await other.cacheDeletePattern('*');
  }],
  ['a set by another backplane', async ({ other }) => (await other.cacheSet('k', 'set')) && 'set'],
  ['DEL of another client', async ({ command, wire }) => {
    await command('DEL', wire);
  }],
  ['UNLINK of another client', async ({ command, wire }) => {
    await command('UNLINK', wire);
  }],
  ['SETEX of another client', async ({ command, wire }) => (await command('SETEX', wire, 100, '"set"')) && 'set'],
  ['an expiry by another client', async ({ command, wire }) => {
    await command('PEXPIREAT', wire, 1);
  }],
  ['a list of another client', async ({ command, wire }) => {
    await command('DEL', wire);
    await command('LPUSH', wire, 'x');
  }],
];

describe.each(PLACES)('invalidation during a load on %s', (where, start) => {
  const place = usePlace(start);
  let world;

  beforeEach(async () => {
    const keyPrefix = uniquePrefix();
    world = {
      cache: await place.open({ keyPrefix }),
      other: await place.open({ keyPrefix }),
      wire: `${keyPrefix}cache:k`,
      command: (...args) => place.redis.command(...args),
    };
  });

  /** Starts a load of `k`; resolves when its loader runs. */
  async function begin(options) {
    const loader = controlledLoader();
    const value = world.cache.cacheGetOrSet('k', loader, options);
    await loader.begun;
    return { loader, value };
  }

  const ways = where === 'redis' ? [...OWN_WAYS, ...OTHER_WAYS] : OWN_WAYS;
  const options = [undefined, { staleSeconds: 100 }];
  const table = ways.flatMap(([name, way]) => options.map((option) => [name, option?.staleSeconds ?? 0, way, option]));

  test.each(table)('%s wins (staleSeconds: %i): the loaded value is returned and not kept', async (_name, _stale, way, option) => {
    const old = await begin(option);
    const found = (await way(world)) ?? null;
    old.loader.finish('loaded');
    expect(await old.value).toBe('loaded');
    expect(await world.cache.cacheGet('k')).toBe(found);
    expect(await world.other.cacheGet('k')).toBe(where === 'redis' ? found : null);
  });

  test.each(ways)('after %s the next call reads that or loads anew', async (_name, way) => {
    const old = await begin();
    const found = await way(world);
    old.loader.finish('old');
    await old.value;
    const expected = found === undefined ? 'new' : found;
    expect(await world.cache.cacheGetOrSet('k', () => 'new')).toBe(expected);
    expect(await world.cache.cacheGet('k')).toBe(expected);
  });

  const deletes = ways.filter(([name]) => !/set|list/i.test(name));

  test.each(deletes)('after %s a caller that comes before the old load ends gets a new one', async (_name, way) => {
    for (const oldEndsFirst of [true, false]) {
      const old = await begin();
      await way(world);
      const late = await begin();
      expect(late.loader.runs).toBe(1);
      const [first, second] = oldEndsFirst ? [old, late] : [late, old];
      first.loader.finish(first === old ? 'old' : 'new');
      await first.value;
      second.loader.finish(second === old ? 'old' : 'new');
      expect(await Promise.all([old.value, late.value])).toEqual(['old', 'new']);
      expect(await world.cache.cacheGet('k')).toBe('new');
      await world.cache.cacheDelete('k');
    }
  });

  test.each(deletes)('after %s of a value that is being refreshed, the refreshed one is not kept', async (_name, way) => {
    await world.cache.cacheGetOrSet('k', () => 'first', { ttlSeconds: 0.001, staleSeconds: 100 });
    await until(async () => (await world.cache.cacheGet('k')) === null, { what: 'the value is stale' });
    const refresh = await begin({ staleSeconds: 100 });
    await way(world);
    refresh.loader.finish('refreshed');
    expect(await refresh.value).toBe('refreshed');
    expect(await world.cache.cacheGet('k')).toBeNull();
    const error = new Error('provoked by a test');
    await expect(world.cache.cacheGetOrSet('k', () => Promise.reject(error))).rejects.toBe(error);
  });

  test('a set in the same tick as the end of the load wins', async () => {
    const old = await begin();
    const set = world.cache.cacheSet('k', 'set');
    old.loader.finish('loaded');
    expect(await Promise.all([old.value, set])).toEqual(['loaded', true]);
    expect(await world.cache.cacheGet('k')).toBe('set');
  });

  test('a set by the loader itself wins', async () => {
    const loader = async () => {
      await world.cache.cacheSet('k', 'set');
      return 'loaded';
    };
    expect(await world.cache.cacheGetOrSet('k', loader)).toBe('loaded');
    expect(await world.cache.cacheGet('k')).toBe('set');
  });

  test('a delete of another key, or before the load, changes nothing', async () => {
    const deleted = world.cache.cacheDelete('k');
    const { loader, value } = await begin();
    await Promise.all([deleted, world.cache.cacheDelete('k2'), world.cache.cacheDeletePattern('?'.repeat(2))]);
    loader.finish('loaded');
    await value;
    expect(await world.cache.cacheGet('k')).toBe('loaded');
  });

  test('many invalidations: each ends the load before it, the last load stays', async () => {
    const loads = [];
    for (let i = 0; i < 20; i++) {
      loads.push(await begin());
      if (i < 19) await world.cache.cacheDelete('k');
    }
    for (const [i, { loader }] of [...loads.entries()].reverse()) loader.finish(i);
    expect(await Promise.all(loads.map(({ value }) => value))).toEqual(loads.map((_, i) => i));
    expect(await world.cache.cacheGet('k')).toBe(19);
  });
});

describe('two processes that load the same key', () => {
  let place;

  beforeAll(async () => {
    place = await onRedis();
  });

  afterAll(() => place.end());

  test('each runs its loader once, and what is kept is one of the two values', async () => {
    const keyPrefix = uniquePrefix();
    const caches = [await place.open({ keyPrefix }), await place.open({ keyPrefix })];
    const loaders = caches.map(() => controlledLoader());
    const callers = caches.map((cache, i) => [1, 2, 3].map(() => cache.cacheGetOrSet('k', loaders[i])));
    await Promise.all(loaders.map((loader) => loader.begun));
    loaders.forEach((loader, i) => loader.finish(i));
    expect(await Promise.all(callers.map((same) => Promise.all(same)))).toEqual([[0, 0, 0], [1, 1, 1]]);
    const kept = await caches[0].cacheGet('k');
    expect([0, 1]).toContain(kept);
    expect(await caches[1].cacheGet('k')).toBe(kept);
  });
});
