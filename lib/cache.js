'use strict';

const check = require('./check');
const { readText } = require('./completion');
const { Op } = require('./queue');

/** How much longer a lease lasts than its loader may run: the time to write the value. */
const LEASE_MARGIN_MS = 5000;
const DEFAULT_LOADER_TIMEOUT_MS = 30_000;

/** The cache functions of one backplane. index.d.ts documents each. */
function createCache(core, load) {
  function cacheGet(key) {
    const error = check.key(key) ?? core.unusable();
    if (error) return Promise.reject(error);
    const found = atHand(Op.CacheGet, key);
    return found ? Promise.resolve(found.value) : core.queue.send(Op.CacheGet, core.number, key);
  }

  function atHand(op, key) {
    return core.hasLocalCache ? readText(core.queue.native.cacheReadLocal(core.number, key, op)) : undefined;
  }

  /**
   * A read that follows at once must not find the old value in the local cache. Without a key: for
   * all keys.
   */
  function forget(key) {
    core.changes += 1;
    if (core.hasLocalCache) core.queue.native.cacheForget(core.number, key);
  }

  function cacheSet(key, value, ttlSeconds = check.DEFAULT_TTL_SECONDS) {
    const error = check.key(key) ?? check.ttl(ttlSeconds) ?? core.unusable();
    if (error) return Promise.reject(error);
    const json = check.json(value);
    if (json.error) return Promise.reject(json.error);
    forget(key);
    return core.queue.send(Op.CacheSet, core.number, key, json.text, ttlSeconds * 1000);
  }

  function cacheDelete(key) {
    const error = check.key(key) ?? core.unusable();
    if (error) return Promise.reject(error);
    forget(key);
    return core.queue.send(Op.CacheDelete, core.number, key);
  }

  function cacheDeletePattern(pattern) {
    const error = check.pattern(pattern) ?? core.unusable();
    if (error) return Promise.reject(error);
    forget();
    return core.queue.send(Op.CacheDeletePattern, core.number, pattern);
  }

  function fetchLocal(key) {
    const found = atHand(Op.CacheFetch, key);
    return found && Promise.resolve({ isFresh: true, value: found.value });
  }

  async function cacheGetOrSet(key, loader, options = {}) {
    const settings = check.read(() => readSettings(options), 'options', check.option);
    const error = settings.error ?? checkArguments(key, loader, settings) ?? core.unusable();
    if (error) throw error;
    const { ttlSeconds, staleSeconds, loaderTimeoutMs } = settings;
    const { queue, number } = core;
    const source = {
      name: key,
      fetch: () => fetchLocal(key) ?? queue.send(Op.CacheFetch, number, key, undefined, loaderTimeoutMs + LEASE_MARGIN_MS),
      keep: (lease, text) => queue.send(Op.CacheFill, number, key, text, ...lease, ttlSeconds * 1000, staleSeconds * 1000),
      giveBack: (lease) => queue.send(Op.CacheAbandon, number, key, undefined, ...lease),
      remove: () => cacheDelete(key),
    };
    return load(source, loader, loaderTimeoutMs);
  }

  return {
    cacheGet,
    cacheSet,
    cacheDelete,
    cacheDeletePattern,
    cacheGetOrSet,
  };
}

function readSettings(options) {
  const error = check.object(options, 'options');
  if (error) return { error };
  const { ttlSeconds = check.DEFAULT_TTL_SECONDS, staleSeconds = 0, loaderTimeoutMs = DEFAULT_LOADER_TIMEOUT_MS } = options;
  return { ttlSeconds, staleSeconds, loaderTimeoutMs };
}

function checkArguments(key, loader, { ttlSeconds, staleSeconds, loaderTimeoutMs }) {
  return (
    check.key(key) ??
    check.callback(loader, 'loader') ??
    check.ttl(ttlSeconds) ??
    check.optionalTtl(staleSeconds, 'staleSeconds') ??
    check.timeoutMs(loaderTimeoutMs, 'loaderTimeoutMs')
  );
}

module.exports = { createCache };
