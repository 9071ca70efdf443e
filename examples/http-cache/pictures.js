'use strict';

// All of the caching: give cacheGetOrSet a key and the slow function.

const { cacheDelete, cacheDeletePattern, cacheGetOrSet, isRedisAvailable } = require('../..'); // = require('redis-backplane')

const PREFIX = 'http-cache-demo:';
const TTL_SECONDS = 600;

function keyOf({ x, y, zoom }) {
  return `${PREFIX}${x},${y},${zoom}`;
}

/** Returns what was found, how (`hit`, `miss`, `shared`), where and how fast. */
async function getPicture(place, render) {
  let loaded = false;
  const askedAt = Date.now();
  const started = performance.now();
  const load = () => {
    loaded = true;
    return render(place);
  };
  const picture = await cacheGetOrSet(keyOf(place), load, { ttlSeconds: TTL_SECONDS });
  return {
    ...picture,
    // Computed while we waited, for an earlier request.
    outcome: loaded ? 'miss' : picture.computedAt > askedAt ? 'shared' : 'hit',
    source: whereNow(),
    ms: performance.now() - started,
  };
}

async function forgetPicture(place) {
  const forgotten = await cacheDelete(keyOf(place));
  return { forgotten, source: whereNow() };
}

async function forgetAll() {
  const removed = await cacheDeletePattern(`${PREFIX}*`);
  return { removed, source: whereNow() };
}

function whereNow() {
  return isRedisAvailable() ? 'redis' : 'memory';
}

module.exports = { forgetAll, forgetPicture, getPicture };
