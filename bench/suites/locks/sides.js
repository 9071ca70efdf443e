'use strict';

const LEASE_SECONDS = 30;
const LEASE_MILLIS = LEASE_SECONDS * 1000;
// Longer than any wait here: a side that gives up would have fewer waiters.
const PATIENCE_MILLIS = 60_000;

const REDLOCK_PREFIX = 'redlock:';
const SEMAPHORE_PREFIX = 'mutex:';

const BACKPLANE_LEASE = { ttlSeconds: LEASE_SECONDS };
const BACKPLANE_WAIT = { ttlSeconds: LEASE_SECONDS, waitMs: PATIENCE_MILLIS };
// By default it gives up after 11 tries, about 2 s.
const REDLOCK_WAIT = { retryCount: -1 };
const REDLOCK_ONCE = { retryCount: 0 };
const SEMAPHORE_LEASE = { lockTimeout: LEASE_MILLIS };
const SEMAPHORE_WAIT = { lockTimeout: LEASE_MILLIS, acquireTimeout: PATIENCE_MILLIS };
const SEMAPHORE_ONCE = { lockTimeout: LEASE_MILLIS, acquireAttemptsLimit: 1 };

// Each opens what one process needs:
//   pair(name)  takes a lock that is free and gives it back, as by hand; true, if it was held
//   take(name)  tries once: { token, release() }, or null; release() is true, if it was held
//   wait(name)  the same, when it is free
//   close()
// `redisPrefix` stands before a name on Redis; `pauseMillis` is the longest pause between two tries
// of one that waits.
const SIDES = {
  'redis-backplane': { redisPrefix: 'lock:', pauseMillis: 0, open: openBackplane },
  redlock: { redisPrefix: REDLOCK_PREFIX, pauseMillis: 300, open: (url) => openRedlock(url, {}) },
  'redlock-10ms': {
    redisPrefix: REDLOCK_PREFIX,
    pauseMillis: 10,
    open: (url) => openRedlock(url, {}, { retryDelay: 10, retryJitter: 0 }),
  },
  'redlock-autopipeline': {
    redisPrefix: REDLOCK_PREFIX,
    pauseMillis: 300,
    open: (url) => openRedlock(url, { enableAutoPipelining: true }),
  },
  'redis-semaphore': { redisPrefix: SEMAPHORE_PREFIX, pauseMillis: 10, open: (url) => openSemaphore(url, {}) },
  'redis-semaphore-autopipeline': {
    redisPrefix: SEMAPHORE_PREFIX,
    pauseMillis: 10,
    open: (url) => openSemaphore(url, { enableAutoPipelining: true }),
  },
};

// The output should be the tables; failures are still reported.
const COMPLAINTS = { debug() {}, info() {}, warn: console.warn, error: console.error };

function openSide(name, url) {
  return SIDES[name].open(url);
}

/** The key with the token of the holder. */
function redisKey(side, name) {
  return SIDES[side].redisPrefix + name;
}

function pauseMillis(side) {
  return SIDES[side].pauseMillis;
}

async function openBackplane(url) {
  const { createBackplane } = require('../../..');
  const backplane = createBackplane({ url, logger: COMPLAINTS });
  // The first call waits until it is connected, or known not to be.
  await backplane.cacheGet('bench:settled');
  if (!backplane.isRedisAvailable()) throw new Error('Redis not available');
  return {
    async pair(name) {
      const lock = await backplane.lock(name, BACKPLANE_LEASE);
      return lock !== null && lock.release();
    },
    async namedPair(name) {
      const isHeld = await backplane.acquireLock(name, LEASE_SECONDS);
      await backplane.releaseLock(name);
      return isHeld;
    },
    take: (name) => backplane.lock(name, BACKPLANE_LEASE),
    wait: (name) => backplane.lock(name, BACKPLANE_WAIT),
    close: () => backplane.close(),
  };
}

async function openRedlock(url, clientOptions, settings = {}) {
  const { Redis } = require('ioredis');
  const { default: Redlock, ExecutionError } = require('redlock');
  const redis = new Redis(url, clientOptions);
  await redis.ping();
  const redlock = new Redlock([redis], settings);
  // It gives the reason only here.
  let failure = null;
  redlock.on('error', (error) => {
    if (error.name !== 'ResourceLockedError') failure ??= error;
  });
  const acquire = async (name, options) => {
    const lock = await redlock.acquire([REDLOCK_PREFIX + name], LEASE_MILLIS, options);
    // Rejects if it was not held.
    return { token: lock.value, release: async () => Boolean(await lock.release()) };
  };
  return {
    async pair(name) {
      const lock = await redlock.acquire([REDLOCK_PREFIX + name], LEASE_MILLIS);
      await lock.release();
      return true;
    },
    take: (name) =>
      acquire(name, REDLOCK_ONCE).catch((error) => {
        if (failure ?? !(error instanceof ExecutionError)) throw failure ?? error;
        return null;
      }),
    wait: (name) => acquire(name, REDLOCK_WAIT),
    close: () => redis.quit(),
  };
}

async function openSemaphore(url, clientOptions) {
  const { Redis } = require('ioredis');
  const { Mutex } = require('redis-semaphore');
  const redis = new Redis(url, clientOptions);
  await redis.ping();
  // A mutex is for one attempt; two must not use it at once.
  const acquire = async (name, options) => {
    const mutex = new Mutex(redis, name, options);
    return (await mutex.tryAcquire()) ? heldMutex(mutex) : null;
  };
  return {
    async pair(name) {
      const mutex = new Mutex(redis, name, SEMAPHORE_LEASE);
      await mutex.acquire();
      const isHeld = mutex.isAcquired;
      await mutex.release();
      return isHeld;
    },
    take: (name) => acquire(name, SEMAPHORE_ONCE),
    wait: (name) => acquire(name, SEMAPHORE_WAIT),
    close: () => redis.quit(),
  };
}

// It does not report whether the server still had it.
function heldMutex(mutex) {
  return {
    token: mutex.identifier,
    async release() {
      const isHeld = mutex.isAcquired;
      await mutex.release();
      return isHeld;
    },
  };
}

module.exports = { LEASE_SECONDS, SIDES, openSide, redisKey, pauseMillis };
