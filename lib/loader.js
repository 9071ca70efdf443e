'use strict';

// cacheGetOrSet: one run of a loader for each lease. The store hands out leases: everybody who
// misses the same absence gets the same one, and a delete or a set ends it. So whoever holds the
// lease of a running flight may share its value, whoever holds a newer one may not, and a value
// whose lease has ended is not kept.

const check = require('./check');
const { failure } = require('./errors');
const { Op } = require('./queue');

/** How much longer a lease lasts than its loader may run: the time to write the value. */
const LEASE_MARGIN_MS = 5000;

function createLoader(core, { cacheDelete }) {
  /** By key and lease: the promise of the loaded JSON text. */
  const flights = new Map();

  async function cacheGetOrSet(key, loader, options = {}) {
    const settings = readSettings(options);
    const error = checkArguments(key, loader, settings) ?? core.unusable();
    if (error) throw error;
    const begun = performance.now();
    return fetch(key, settings).then((found) => {
      if (!found.isCorrupt) return answer(key, found, loader, settings, begun);
      // What is stored is not JSON. It is as good as absent, but it has no lease.
      return cacheDelete(key)
        .then(() => fetch(key, settings))
        .then((again) => answer(key, again.isCorrupt ? { lease: [0, 0] } : again, loader, settings, begun));
    });
  }

  function fetch(key, { loaderTimeoutMs }) {
    const leaseMs = loaderTimeoutMs + LEASE_MARGIN_MS;
    return core.queue.send(Op.CacheFetch, core.number, key, undefined, leaseMs);
  }

  /** Looks for a flight in the very turn in which the lease came: no flight lands in between. */
  function answer(key, found, loader, settings, begun) {
    if (found.isFresh) return found.value;
    const name = `${found.lease.join(':')}:${key}`;
    const flight = flights.get(name) ?? takeOff(name, key, found, loader, settings, begun);
    return flight.landed.then(() => flight.loaded).then(JSON.parse, (error) => {
      if (found.isStale) return found.value;
      throw error;
    });
  }

  /** Callers get the value when it is kept, unless that takes longer than a call may take. */
  function takeOff(name, key, found, loader, settings, begun) {
    const patienceMs = core.commandTimeoutMs - (performance.now() - begun);
    const loaded = load(loader, settings.loaderTimeoutMs);
    const write = (act) => {
      const settled = Promise.resolve(act()).catch(() => {}).finally(() => flights.delete(name));
      return atMost(settled, patienceMs);
    };
    const landed = loaded.then(
      (text) => write(() => keep(key, found, text, settings)),
      () => write(() => giveBack(key, found))
    );
    const flight = { loaded, landed };
    flights.set(name, flight);
    return flight;
  }

  function keep(key, { lease }, text, { ttlSeconds, staleSeconds }) {
    if (core.unusable()) return undefined;
    const [high, low] = lease;
    return core.queue.send(
      Op.CacheFill, core.number, key, text, high, low, ttlSeconds * 1000, staleSeconds * 1000
    );
  }

  function giveBack(key, { lease, isStale }) {
    if (isStale || core.unusable()) return undefined;
    return core.queue.send(Op.CacheAbandon, core.number, key, undefined, ...lease);
  }

  return cacheGetOrSet;
}

function readSettings(options) {
  const error = check.object(options, 'options');
  if (error) throw error;
  const { ttlSeconds = check.DEFAULT_TTL_SECONDS, staleSeconds = 0, loaderTimeoutMs = 30_000 } = options;
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

/** Waits for a promise that never rejects, but not for ever. */
function atMost(promise, ms) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.max(ms, 0));
    promise.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** A loader that throws at once rejects, like any other. */
async function callLoader(loader) {
  return loader();
}

module.exports = { createLoader };
