'use strict';

const { until } = require('./support');
const { away, back, isReady, useStage } = require('./support/stage');
const { NOBODY, silent } = require('./support/places');
const { createBackplane } = require('..');

const ON = { localCache: { maxBytes: 1024 * 1024, ttlSeconds: 30 } };

describe('the memory in front of the cache', () => {
  const stage = useStage();

  async function two(options = ON) {
    const all = await stage.ready(options);
    const other = stage.backplane({ url: all.redis.url, ...options });
    await isReady(other);
    return { ...all, other };
  }

  const memoryHits = (backplane) => backplane.getMetrics().caches.cache.memoryHits;

  /** The key is read from memory. */
  async function isAtHand(backplane, key) {
    await until(async () => {
      const before = memoryHits(backplane);
      await backplane.cacheGet(key);
      return memoryHits(backplane) > before;
    }, { what: `${key} is in memory` });
  }

  it('is off unless it is asked for', async () => {
    const { backplane } = await two({});
    await backplane.cacheSet('k', 1);
    for (let i = 0; i < 10; i++) await backplane.cacheGet('k');
    expect(backplane.getMetrics().caches.cache).toEqual({ hits: 10, memoryHits: 0, misses: expect.any(Number), fencedSets: 0, staleServed: 0 });
  });

  it('a key that is read all the time is at hand again after a set, however slow the line', async () => {
    const { backplane, proxy } = await two();
    proxy.delay(10);
    let isRead = true;
    const readAllTheTime = async () => {
      while (isRead) {
        backplane.cacheGet('hot').catch(() => {});
        await new Promise(setImmediate);
      }
    };
    const reader = readAllTheTime();
    try {
      await backplane.cacheSet('hot', 'new');
      const before = memoryHits(backplane);
      await until(() => memoryHits(backplane) > before, { what: 'hot is in memory' });
      expect(await backplane.cacheGet('hot')).toBe('new');
    } finally {
      isRead = false;
      await reader;
    }
  });

  it('answers a copy each time, without asking Redis', async () => {
    const { backplane, redis } = await two();
    await backplane.cacheSet('k', { list: [1] });
    await isAtHand(backplane, 'k');
    const asked = async () => Number(/cmdstat_getrange:calls=(\d+)/.exec(await redis.command('INFO', 'commandstats'))[1]);
    const before = await asked();
    (await backplane.cacheGet('k')).list.push(2);
    expect(await backplane.cacheGet('k')).toEqual({ list: [1] });
    expect(await backplane.cacheGetOrSet('k', () => 'loaded')).toEqual({ list: [1] });
    expect(await asked()).toBe(before);
  });

  it.each([
    ['a set', (cache) => cache.cacheSet('k', 'new'), 'new'],
    ['a delete', (cache) => cache.cacheDelete('k'), null],
    ['a pattern', (cache) => cache.cacheDeletePattern('?'), null],
  ])('%s is seen here at once, and by the other instance', async (_what, change, after) => {
    const { backplane, other } = await two();
    await backplane.cacheSet('k', 'old');
    await isAtHand(backplane, 'k');
    await isAtHand(other, 'k');
    const [, read] = await Promise.all([change(backplane), backplane.cacheGet('k')]);
    if (after === 'new') expect(read).toBe('new');
    expect(await backplane.cacheGet('k')).toBe(after);
    await until(async () => (await other.cacheGet('k')) === after);
  });

  it('keeps nothing longer than its own time', async () => {
    const { backplane, redis } = await two({ localCache: { ttlSeconds: 1 } });
    await backplane.cacheSet('k', 1);
    await isAtHand(backplane, 'k');
    await redis.command('SET', 'cache:k', '2', 'EX', '100');
    await until(async () => (await backplane.cacheGet('k')) === 2);
  });

  it('keeps nothing longer than it is fresh on Redis', async () => {
    const { backplane } = await two({ localCache: { ttlSeconds: 100 } });
    await backplane.cacheSet('brief', 1, 2);
    await isAtHand(backplane, 'brief');
    await until(async () => (await backplane.cacheGet('brief')) === null);
    const stale = { ttlSeconds: 2, staleSeconds: 100 };
    await backplane.cacheGetOrSet('s', () => 'old', stale);
    await isAtHand(backplane, 's');
    await until(async () => (await backplane.cacheGet('s')) === null);
    const failing = () => {
      throw new Error('no database');
    };
    expect(await backplane.cacheGetOrSet('s', failing, stale)).toBe('old');
    expect(backplane.getMetrics().caches.cache.staleServed).toBe(1);
  });

  it('a connection that was cut: what was changed meanwhile is never read', async () => {
    const all = await two();
    const { backplane, other } = all;
    await backplane.cacheSet('k', 'old');
    await isAtHand(backplane, 'k');
    await away(all);
    await other.cacheSet('k', 'new');
    expect(await backplane.cacheGet('k')).toBeNull();
    await back(all);
    expect(await backplane.cacheGet('k')).toBe('new');
    await isAtHand(other, 'k');
    await away(all);
    await backplane.cacheSet('k', 'in the outage');
    await back(all);
    expect(await backplane.cacheGet('k')).toBeNull();
    await until(async () => (await other.cacheGet('k')) === null);
  });

  it('case 22: a write whose answer is lost leaves nothing in memory', async () => {
    const { backplane, proxy } = await two();
    await backplane.cacheSet('k', 'old');
    await isAtHand(backplane, 'k');
    await backplane.messageCache.set('h', 'old');
    proxy.stallReplies();
    await Promise.all([backplane.cacheSet('k', 'new'), backplane.messageCache.set('h', 'new')]);
    proxy.flow();
    await isReady(backplane);
    expect(['new', null]).toContain(await backplane.cacheGet('k'));
    expect(['new', null]).toContain(await backplane.messageCache.get('h'));
  });

  it('values that are no JSON are misses, also at hand', async () => {
    const { backplane, redis } = await two();
    await backplane.cacheSet('k', 1);
    await isAtHand(backplane, 'k');
    await redis.command('SET', 'cache:broken', '{', 'EX', '100');
    for (let i = 0; i < 3; i++) expect(await backplane.cacheGet('broken')).toBeNull();
    expect(await backplane.cacheGetOrSet('broken', () => 'loaded')).toBe('loaded');
  });
});

test('what is counted of each cache', async () => {
  const backplane = createBackplane({ url: NOBODY, logger: silent });
  const none = { hits: 0, memoryHits: 0, misses: 0, fencedSets: 0 };
  expect(backplane.getMetrics().caches).toEqual({ cache: { ...none, staleServed: 0 }, queries: none, sessions: none, messages: none });
  const { queryCache, sessionCache, messageCache } = backplane;
  await backplane.cacheGet('k');
  await backplane.cacheSet('k', 1);
  await backplane.cacheGet('k');
  await queryCache.get('q', { roomId: 'r' });
  await queryCache.invalidateRoom('r');
  await queryCache.set('q', { roomId: 'r' }, 1);
  await queryCache.getOrSet('q', { roomId: 'r' }, () => 2);
  await queryCache.get('q', { roomId: 'r' });
  await sessionCache.getSession('s');
  await messageCache.set('h', 1);
  await messageCache.get('h');
  expect(backplane.getMetrics().caches).toEqual({
    cache: { hits: 1, memoryHits: 1, misses: 1, fencedSets: 0, staleServed: 0 },
    queries: { hits: 1, memoryHits: 1, misses: 2, fencedSets: 1 },
    sessions: { ...none, misses: 1 },
    messages: { ...none, hits: 1, memoryHits: 1 },
  });
  await backplane.close();
});

test.each([null, 7, { maxBytes: 0 }, { ttlSeconds: -1 }, { maxEntries: 'many' }])('localCache cannot be %j', async (localCache) => {
  const backplane = createBackplane({ url: NOBODY, logger: silent, localCache });
  await expect(backplane.cacheGet('k')).rejects.toMatchObject({ code: expect.stringMatching(/^E_INVALID_(OPTION|TTL)$/) });
});
