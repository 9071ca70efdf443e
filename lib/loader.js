'use strict';

// cacheGetOrSet: one run of a loader for each lease. The store hands out leases: everybody who
// misses the same absence gets the same one, and a delete or a set ends it. So whoever holds the
// lease of a running flight may share its value, whoever holds a newer one may not, and a value
// whose lease has ended is not kept.

const check = require('./check');
const { failure, typeError } = require('./errors');
const { Op } = require('./queue');

const DEFAULTS = { ttlSeconds: 3600, staleSeconds: 0, loaderTimeoutMs: 30_000 };
/** How much longer a lease lasts than its loader may run: the time to write the value. */
const LEASE_MARGIN_MS = 5000;

function createLoader(core, { cacheDelete }) {
  /** By lease: the promise of the loaded JSON text. */
  const flights = new Map();

  function cacheGetOrSet(key, loader, options = {}) {
    const settings = { ...DEFAULTS, ...options };
    const error = checkArguments(key, loader, options, settings) ?? core.unusable();
    if (error) return Promise.reject(error);
    return getOrSet(key, loader, settings);
  }

  async function getOrSet(key, loader, settings) {
    const found = await fetch(key, settings);
    if (found.isFresh) return found.value;
    let flight = flights.get(found.lease);
    if (!flight) {
      flight = fly(key, found, loader, settings);
      flights.set(found.lease, flight);
    }
    try {
      return JSON.parse(await flight);
    } catch (error) {
      if (found.isStale) return found.value;
      throw error;
    }
  }

  async function fetch(key, settings) {
    const leaseMs = settings.loaderTimeoutMs + LEASE_MARGIN_MS;
    const ask = () => core.queue.send(Op.CacheFetch, core.number, key, undefined, leaseMs);
    let answer = await ask();
    if (answer === null) {
      // What is stored is not JSON. It is as good as absent, but it has no lease.
      await cacheDelete(key);
      answer = await ask();
    }
    return found(answer);
  }

  async function fly(key, { lease, leaseWords, isStale }, loader, settings) {
    try {
      const text = await load(loader, settings.loaderTimeoutMs);
      const [high, low] = leaseWords;
      const { ttlSeconds, staleSeconds } = settings;
      await core.queue.send(
        Op.CacheFill, core.number, key, text, high, low, ttlSeconds * 1000, staleSeconds * 1000
      );
      return text;
    } catch (error) {
      if (!isStale) await core.queue.send(Op.CacheAbandon, core.number, key, undefined, ...leaseWords);
      throw error;
    } finally {
      flights.delete(lease);
    }
  }

  return cacheGetOrSet;
}

function checkArguments(key, loader, options, settings) {
  if (typeof options !== 'object' || options === null) {
    return typeError('E_INVALID_OPTION', 'options must be an object');
  }
  return (
    check.key(key) ??
    check.callback(loader, 'loader') ??
    check.ttl(settings.ttlSeconds) ??
    check.optionalTtl(settings.staleSeconds, 'staleSeconds') ??
    check.timeoutMs(settings.loaderTimeoutMs, 'loaderTimeoutMs')
  );
}

/** Understands the answer of a fetch (src/binding/dispatch.rs). */
function found(answer) {
  // Still not JSON: somebody keeps writing it. The value is loaded and not kept.
  const parts = answer ?? [0, 0];
  if (parts.length === 1) return { isFresh: true, value: parts[0] };
  const leaseWords = parts.slice(-2);
  const lease = leaseWords.join(':');
  const isStale = parts.length === 3;
  return { isFresh: false, isStale, value: isStale ? parts[0] : undefined, lease, leaseWords };
}

/** Runs the loader, for a limited time; answers its value as JSON text. */
async function load(loader, timeoutMs) {
  let timer;
  const deadline = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(failure('E_LOADER_TIMEOUT', `the loader did not settle within ${timeoutMs} ms`));
    }, timeoutMs);
  });
  try {
    const value = await Promise.race([callLoader(loader), deadline]);
    const json = check.json(value);
    if (json.error) throw json.error;
    return json.text;
  } finally {
    clearTimeout(timer);
  }
}

/** A loader that throws at once rejects, like any other. */
async function callLoader(loader) {
  return loader();
}

module.exports = { createLoader };
