'use strict';

// Reading through: one run of a loader for each lease. The store hands out leases: everybody who
// misses the same absence gets the same one, and whatever changes the value ends it. So whoever holds
// the lease of a running flight may share its value, whoever holds a newer one may not, and a value
// whose lease has ended is not kept.

const check = require('./check');
const { clearTimeout, setTimeout, steadyMs } = require('./clock');
const { failure } = require('./errors');

/**
 * Answers a function that reads a `source` and, when nothing is there, loads. A source has a `name`;
 * `fetch()`, what is there or a lease; `keep(lease, text)` and `giveBack(lease)`, which end one; and
 * `remove()` for what cannot be read.
 */
function createLoader(core) {
  /** By name and lease: the promise of the loaded JSON text. */
  const flights = new Map();

  async function read(source, loader, loaderTimeoutMs) {
    const begun = steadyMs();
    return source.fetch().then((found) => {
      if (!found.isCorrupt) return answer(source, found, loader, loaderTimeoutMs, begun);
      // What is stored is not JSON. It is as good as absent, but it has no lease.
      return source
        .remove()
        .then(() => source.fetch())
        .then((again) => answer(source, again.isCorrupt ? { lease: [0, 0] } : again, loader, loaderTimeoutMs, begun));
    });
  }

  /** Looks for a flight in the very turn in which the lease came: no flight lands in between. */
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

  /** What those have in common who may share a run: a lease, else that nothing was changed here in between. */
  function sharing(lease) {
    return isNone(lease) ? `changes ${core.changes}` : lease.join(':');
  }

  /** Callers get the value when it is kept, unless that takes longer than a call may take. */
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

/** What comes when the store could give no lease: what is loaded is not kept. */
function isNone([high, low]) {
  return high === 0 && low === 0;
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
