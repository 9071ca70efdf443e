'use strict';

const check = require('./check');
const { createLoader } = require('./loader');
const { Op } = require('./queue');

/** The cache functions of one backplane; index.d.ts says what each promises. */
function createCache(core) {
  function cacheGet(key) {
    const error = check.key(key) ?? core.unusable();
    if (error) return Promise.reject(error);
    return core.queue.send(Op.CacheGet, core.number, key);
  }

  function cacheSet(key, value, ttlSeconds = check.DEFAULT_TTL_SECONDS) {
    const error = check.key(key) ?? check.ttl(ttlSeconds) ?? core.unusable();
    if (error) return Promise.reject(error);
    const json = check.json(value);
    if (json.error) return Promise.reject(json.error);
    return core.queue.send(Op.CacheSet, core.number, key, json.text, ttlSeconds * 1000);
  }

  function cacheDelete(key) {
    const error = check.key(key) ?? core.unusable();
    if (error) return Promise.reject(error);
    return core.queue.send(Op.CacheDelete, core.number, key);
  }

  function cacheDeletePattern(pattern) {
    const error = check.pattern(pattern) ?? core.unusable();
    if (error) return Promise.reject(error);
    return core.queue.send(Op.CacheDeletePattern, core.number, pattern);
  }

  return {
    cacheGet,
    cacheSet,
    cacheDelete,
    cacheDeletePattern,
    cacheGetOrSet: createLoader(core, { cacheDelete }),
  };
}

module.exports = { createCache };
