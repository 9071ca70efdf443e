'use strict';

/** In the order in which src/binding/queue.rs tells of them. */
const CACHES = ['cache', 'queries', 'sessions', 'messages'];
const COUNTS = ['hits', 'memoryHits', 'misses', 'fencedSets'];

/** What a backplane has counted; index.d.ts says what. */
function createMetrics(core) {
  function getMetrics() {
    const counts = core.queue?.native.cacheCounts(core.number) ?? [];
    const caches = {};
    CACHES.forEach((name, i) => {
      const own = COUNTS.map((count, j) => [count, counts[COUNTS.length * i + j] ?? 0]);
      caches[name] = Object.fromEntries(own);
    });
    caches.cache.staleServed = core.staleServed;
    return { caches };
  }

  return { getMetrics };
}

module.exports = { createMetrics };
