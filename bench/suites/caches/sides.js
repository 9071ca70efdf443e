'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

const TTL_SECONDS = 3600;
const COMPLAINTS = { debug() {}, info() {}, warn: console.warn, error: console.error };

// Each opens what one process needs: { get(key), set(key, value), getOrSet(key, load), close() }, and some of
// { fillRoom(room, results), invalidateRoom(room) }.
const SIDES = {
  'redis-backplane': openBackplane,
  bentocache: openBentocache,
  'node-redis-csc': openNodeRedis,
  cacheable: openCacheable,
};

function openSide(name, url, options) {
  return SIDES[name](url, options);
}

async function openBackplane(url, { isLocal }) {
  const { createBackplane } = require('../../..');
  const backplane = createBackplane({ url, logger: COMPLAINTS, messageCache: { ttlSeconds: TTL_SECONDS, maxEntries: 10_000 } });
  // The first call waits until it is connected, or known not to be.
  await backplane.cacheGet('bench:settled');
  if (!backplane.isRedisAvailable()) throw new Error('Redis not available');
  const { messageCache, queryCache } = backplane;
  const plain = isLocal
    ? { get: messageCache.get, set: messageCache.set }
    : { get: backplane.cacheGet, set: (key, value) => backplane.cacheSet(key, value, TTL_SECONDS) };
  return {
    ...plain,
    getOrSet: (key, load) => backplane.cacheGetOrSet(key, load, { ttlSeconds: TTL_SECONDS }),
    fillRoom: (roomId, results) =>
      Promise.all(Array.from({ length: results }, (_, page) => queryCache.set('messages', { roomId, page }, [page], TTL_SECONDS))),
    invalidateRoom: queryCache.invalidateRoom,
    /** It caches nothing locally until it receives the others' notifications. */
    isAtHand: async (key) => {
      const { memoryHits } = await messageCache.getStats();
      await messageCache.get(key);
      return (await messageCache.getStats()).memoryHits > memoryHits;
    },
    close: () => backplane.close(),
  };
}

// Two tiers, and a bus on which instances notify each other.
async function openBentocache(url, { isLocal }) {
  const { BentoCache, bentostore } = await import('bentocache');
  const { memoryDriver } = await import('bentocache/drivers/memory');
  const { redisBusDriver, redisDriver } = await import('bentocache/drivers/redis');
  const { hostname: host, port } = new URL(url);
  const connection = { host, port: Number(port) };
  let store = bentostore();
  // As JSON text: a copy each time, as on every other side.
  if (isLocal) store = store.useL1Layer(memoryDriver({ maxItems: 10_000, serialize: true })).useBus(redisBusDriver({ connection }));
  store = store.useL2Layer(redisDriver({ connection }));
  const bento = new BentoCache({ default: 'bench', stores: { bench: store } });
  return {
    get: (key) => bento.get({ key }),
    set: (key, value) => bento.set({ key, value, ttl: TTL_SECONDS * 1000 }),
    getOrSet: (key, factory) => bento.getOrSet({ key, factory, ttl: TTL_SECONDS * 1000 }),
    fillRoom: (room, results) =>
      Promise.all(Array.from({ length: results }, (_, page) => bento.set({ key: `${room}:${page}`, value: [page], ttl: TTL_SECONDS * 1000, tags: [room] }))),
    invalidateRoom: (room) => bento.deleteByTag({ tags: [room] }),
    close: () => bento.disconnectAll(),
  };
}

async function openNodeRedis(url, { isLocal }) {
  const { createClient } = require('redis');
  const cache = isLocal ? { RESP: 3, clientSideCache: { ttl: 0, maxEntries: 10_000 } } : {};
  const client = await createClient({ url, ...cache }).connect();
  return {
    get: async (key) => JSON.parse(await client.get(key)),
    set: (key, value) => client.set(key, JSON.stringify(value), { expiration: { type: 'EX', value: TTL_SECONDS } }),
    close: () => client.close(),
  };
}

async function openCacheable(url, { isLocal }) {
  const { Cacheable, KeyvCacheableMemory } = require('cacheable');
  const { Keyv } = require('keyv');
  const { default: KeyvRedis } = require('@keyv/redis');
  const redis = new KeyvRedis(url);
  const cache = isLocal
    ? new Cacheable({ primary: new Keyv({ store: new KeyvCacheableMemory({ lruSize: 10_000, useClone: true }) }), secondary: redis })
    : new Cacheable({ primary: redis });
  return {
    get: (key) => cache.get(key),
    set: (key, value) => cache.set(key, value, TTL_SECONDS * 1000),
    getOrSet: (key, load) => cache.getOrSet(key, load, { ttl: TTL_SECONDS * 1000 }),
    close: () => cache.disconnect(),
  };
}

async function until(predicate, millis = 5000) {
  const deadline = Date.now() + millis;
  while (!(await predicate())) {
    if (Date.now() > deadline) throw new Error(`not so after ${millis} ms`);
    await sleep(5);
  }
}

module.exports = { SIDES, openSide, until };
