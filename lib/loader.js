'use strict';

// Read-through loading: one run of a loader for each lease. The store hands out leases. All callers
// that miss the same absent value get the same lease, and any change of the value ends it. So a
// caller with the lease of a running flight may share its value, and a caller with a newer lease
// may not. A value whose lease has ended is not stored.

const check = require('./check');
const { clearTimeout, setTimeout, steadyMs } = require('./clock');
const { failure } = require('./errors');

/**
 * Returns a function that reads a `source` and loads the value if it is absent. A source has a
 * `name`; `fetch()`, which returns the stored value or a lease; `keep(lease, text)` and
 * `giveBack(lease)`, which end a lease; and `remove()` for a value that cannot be read.
 */
function createLoader(core) {
  /** By name and lease: the promise of the loaded JSON text. */
  const flights = new Map();

  async function read(source, loader, loaderTimeoutMs) {
    const begun = steadyMs();
    return source.fetch().then((found) => {
      if (!found.isCorrupt) return answer(source, found, loader, loaderTimeoutMs, begun);
      // The stored value is not JSON. It counts as absent, but has no lease.
      return source
        .remove()
        .then(() => source.fetch())
        .then((again) => answer(source, again.isCorrupt ? { lease: [0, 0] } : again, loader, loaderTimeoutMs, begun));
    });
  }

  /**
   * Looks for a flight in the same turn in which the lease arrived: no flight can land in between.
   */
  function answer(source, found, loader, loaderTimeoutMs, begun) {
    if (found.isFresh) return found.value;
    const name = `${sharing(found.lease)}:${source.name}`;
    const flight = flights.get(name) ?? takeOff(name, source, found, loader, loaderTimeoutMs, begun);
    return flight.landed.then(() => flight.loaded).then(JSON.parse, (error) => {
      if (!found.isStale) throw error;
      core.loads.staleServed += 1;
      return found.value;
    });
  }

  /**
   * The key under which callers share a run: a lease, or without one, that nothing was changed here
   * in between.
   */
  function sharing(lease) {
    return isNone(lease) ? `changes ${core.changes}` : lease.join(':');
  }

  /** Callers get the value when it is stored, unless that takes longer than a call may take. */
  function takeOff(name, source, { lease, isStale }, loader, loaderTimeoutMs, begun) {
    const patienceMs = core.commandTimeoutMs - (steadyMs() - begun);
    const loaded = load(loader, loaderTimeoutMs);
    core.loads.runs += 1;
    const write = (act) => {
      const settled = Promise.resolve(core.unusable() ? undefined : act())
        .catch(() => {})
        .finally(() => flights.delete(name));
      return atMost(settled, patienceMs);
    };
    const landed = loaded.then(
      (text) => write(() => (isNone(lease) ? undefined : source.keep(lease, text))),
      () => {
        core.loads.failures += 1;
        return write(() => (isStale || isNone(lease) ? undefined : source.giveBack(lease)));
      }
    );
    const flight = { loaded, landed };
    flights.set(name, flight);
    return flight;
  }

  return read;
}

/** The store could give no lease: the loaded value is not stored. */
function isNone([high, low]) {
  return high === 0 && low === 0;
}

/** Runs the loader for a limited time. Returns its value as JSON text. */
async function load(loader, timeoutMs) {
  let timer;
  const deadline = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(failure('E_LOADER_TIMEOUT', `the loader did not finish within ${timeoutMs} ms`));
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

/** Waits for a promise that never rejects, for a limited time. */
function atMost(promise, ms) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.max(ms, 0));
    promise.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** A loader that throws synchronously rejects like any other. */
async function callLoader(loader) {
  return loader();
}

module.exports = { createLoader };
