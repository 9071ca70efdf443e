'use strict';

const { now } = require('./clock');
const { countedFunctions } = require('./native');
const { exposition } = require('./prometheus');
const { Op } = require('./queue');

/** The functions that are counted: the name, the kind of their calls, and whether they read a cache. */
const FUNCTIONS = countedFunctions();
/** What is kept in this process. */
const KINDS = [
  'values', 'tags', 'sessions', 'locks', 'leases', 'waiters', 'gifts', 'limits', 'fills', 'journal', 'resets', 'presence', 'removals',
  'subscriptions', 'watches', 'localCache', 'messages', 'owners', 'mailboxes', 'calls',
];
const UNCALLED = { hits: 0, memoryHits: 0, misses: 0, fencedSets: 0 };

/** The metrics and the health of a backplane. index.d.ts documents each function. */
function createMetrics(core) {
  /**
   * The counters of this thread and of the I/O thread; `functions` as pairs of a name and
   * `{ counts, timing }`.
   */
  function count() {
    const text = core.queue?.native.metrics(core.number) ?? core.lastMetrics;
    const { calls, ...counted } = text ? JSON.parse(text) : nothing(core);
    const { runs, failures, staleServed } = core.loads;
    counted.caches.cache.staleServed = staleServed;
    counted.loaders = { runs, failures };
    counted.connection.state = core.state();
    addIterators(counted.memory, core.inboxes);
    addKnown(calls[Op.LimitCheck], counted.limits, core.deniedLocally);
    const called = FUNCTIONS.filter(({ op }) => calls[op]);
    const functions = called.map(({ name, op, readsCache }) => [name, describe(calls[op], readsCache)]);
    return { counted, functions };
  }

  function getMetrics() {
    inspect();
    const { counted, functions } = count();
    const shown = functions.map(([name, { counts }]) => [name, counts]);
    return { ...counted, functions: Object.fromEntries(shown) };
  }

  function prometheusMetrics() {
    inspect();
    return exposition(count());
  }

  /** The answer is for the next reader. */
  function inspect() {
    if (core.state() === 'ready') core.queue.post(Op.Inspect, core.number);
  }

  async function health() {
    const error = core.unusable();
    if (core.state() === 'closed') return status('closed', core.closedAt, null);
    if (error) return status('degraded', core.madeAt, error.message);
    return core.queue.ask(Op.Health, core.number).catch((gone) => status('degraded', now(), gone.message));
  }

  return { getMetrics, prometheusMetrics, health };
}

function describe({ missing, timed, totalMs, ...counts }, readsCache) {
  if (readsCache) Object.assign(counts, { hits: counts.calls - missing - counts.errors, misses: missing });
  return { counts, timing: { timed, totalMs } };
}

/** Checks of limits known to be exhausted never left this thread. */
function addKnown(checks, limits, denied) {
  if (!checks) return;
  checks.calls += denied;
  checks.fromMemory += denied;
  limits.denied += denied;
}

/** What waits in this thread. */
function addIterators(memory, inboxes) {
  memory.kinds.iterators = [...inboxes].reduce((sum, { bytes }) => sum + bytes, 0);
  memory.bytes += memory.kinds.iterators;
}

function status(name, since, reason) {
  return { status: name, latencyMs: null, since, reason, forbidden: [] };
}

/** For a backplane that has not been called, or cannot be called. */
function nothing(core) {
  const caches = ['cache', 'queries', 'sessions', 'messages'].map((name) => [name, { ...UNCALLED }]);
  return {
    connection: { state: 'idle', since: core.madeAt, reason: null, becameReady: 0, becameDegraded: 0, server: null },
    forbidden: {},
    redis: null,
    calls: [],
    caches: Object.fromEntries(caches),
    limits: { allowed: 0, denied: 0 },
    pubsub: { published: 0, received: 0, dropped: 0, gaps: 0 },
    queues: { calls: 0, messages: 0, messageBytes: 0 },
    memory: { entries: 0, bytes: 0, kinds: Object.fromEntries(KINDS.map((kind) => [kind, 0])) },
  };
}

module.exports = { createMetrics };
