'use strict';

// Each opens what one process needs: { limiter(rule), close() }. A limiter is { pass(key),
// check(key), isAllowed(outcome) } for a rule of algorithm, max and seconds. `pass` is for keys that
// have room: it may reject when there is none. `check` resolves either way.
const SIDES = {
  'redis-backplane': openBackplane,
  'rate-limiter-flexible': (url) => openFlexible(url, {}),
  'rate-limiter-flexible-autopipeline': (url) => openFlexible(url, { enableAutoPipelining: true }),
  'rate-limiter-flexible-memory-block': (url) => openFlexible(url, {}, { isBlocking: true }),
};

// The output should be the tables; failures are still reported.
const COMPLAINTS = { debug() {}, info() {}, warn: console.warn, error: console.error };
const FLEXIBLE_PREFIX = 'flexible';
const DENIED = Symbol('denied');

function openSide(name, url) {
  return SIDES[name](url);
}

/** The prefix of a key of a fixed window on Redis. */
function redisPrefix(side) {
  return side === 'redis-backplane' ? 'limit:fixed:' : `${FLEXIBLE_PREFIX}:`;
}

async function openBackplane(url) {
  const { createBackplane } = require('../../..');
  const backplane = createBackplane({ url, logger: COMPLAINTS });
  // The first call waits until it is connected, or known not to be.
  await backplane.cacheGet('bench:settled');
  if (!backplane.isRedisAvailable()) throw new Error('Redis not available');
  return {
    limiter({ algorithm, max, seconds }) {
      const options = { algorithm };
      const check = (key) => backplane.checkRateLimit(key, max, seconds, options);
      return { pass: check, check, isAllowed };
    },
    close: () => backplane.close(),
  };
}

function isAllowed({ allowed, source }) {
  if (source !== 'redis') throw new Error(`counted in ${source}`);
  return allowed;
}

async function openFlexible(url, options, { isBlocking = false } = {}) {
  const { Redis } = require('ioredis');
  const { RateLimiterRedis } = require('rate-limiter-flexible');
  const redis = new Redis(url, options);
  await redis.ping();
  return {
    limiter({ max, seconds }) {
      const limiter = new RateLimiterRedis({
        storeClient: redis,
        keyPrefix: FLEXIBLE_PREFIX,
        points: max,
        duration: seconds,
        inMemoryBlockOnConsumed: isBlocking ? max : undefined,
      });
      return {
        pass: (key) => limiter.consume(key),
        check: (key) => limiter.consume(key).catch(denied),
        isAllowed: (outcome) => outcome !== DENIED,
      };
    },
    close: () => redis.quit(),
  };
}

// A denied request is rejected with a result that is not an Error.
function denied(reason) {
  if (reason instanceof Error) throw reason;
  return DENIED;
}

module.exports = { SIDES, openSide, redisPrefix };
