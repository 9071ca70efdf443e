'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

const READY_MILLIS = 5000;
const REDIS_PREFIX = 'cache:bench:';

// Each opens one client: { prefix, get(key), set(key, value, ttlSeconds), close() }.
const SIDES = {
  'redis-backplane': openBackplane,
  ioredis: (url) => openIoredis(url, {}),
  'ioredis-autopipeline': (url) => openIoredis(url, { enableAutoPipelining: true }),
  'node-redis': openNodeRedis,
  'valkey-glide': openGlide,
};

function openSide(name, url) {
  return SIDES[name](url);
}

async function openBackplane(url) {
  const { createBackplane } = require('../../..');
  const backplane = createBackplane({ url });
  const deadline = Date.now() + READY_MILLIS;
  while (!backplane.isRedisAvailable()) {
    if (Date.now() > deadline) throw new Error(`Redis not available after ${READY_MILLIS} ms`);
    await sleep(10);
  }
  return {
    // cacheGet and cacheSet prefix the key with `cache:`.
    prefix: 'bench:',
    get: (key) => backplane.cacheGet(key),
    set: (key, value, ttlSeconds) => backplane.cacheSet(key, value, ttlSeconds),
    close: () => backplane.close(),
  };
}

async function openIoredis(url, options) {
  const { Redis } = require('ioredis');
  const redis = new Redis(url, options);
  await redis.ping();
  return {
    prefix: REDIS_PREFIX,
    get: async (key) => JSON.parse(await redis.get(key)),
    set: (key, value, ttlSeconds) => redis.set(key, JSON.stringify(value), 'EX', ttlSeconds),
    close: () => redis.quit(),
  };
}

async function openNodeRedis(url) {
  const { createClient } = require('redis');
  const client = await createClient({ url }).connect();
  return {
    prefix: REDIS_PREFIX,
    get: async (key) => JSON.parse(await client.get(key)),
    set: (key, value, ttlSeconds) =>
      client.set(key, JSON.stringify(value), { expiration: { type: 'EX', value: ttlSeconds } }),
    close: () => client.close(),
  };
}

async function openGlide(url) {
  const { GlideClient, TimeUnit } = require('@valkey/valkey-glide');
  const { hostname, port } = new URL(url);
  const client = await GlideClient.createClient({
    addresses: [{ host: hostname, port: Number(port) }],
    // Its defaults, 1000 requests and 250 ms, would fail calls at concurrency 1024.
    inflightRequestsLimit: 4096,
    requestTimeout: 10000,
  });
  return {
    prefix: REDIS_PREFIX,
    get: async (key) => JSON.parse(await client.get(key)),
    set: (key, value, ttlSeconds) =>
      client.set(key, JSON.stringify(value), {
        expiry: { type: TimeUnit.Seconds, count: ttlSeconds },
      }),
    close: () => client.close(),
  };
}

module.exports = { SIDES, openSide };
