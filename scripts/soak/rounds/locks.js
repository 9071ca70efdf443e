'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { outcomeOf } = require('../../../__test__/support/deferred');

const KEYS = ['k0', 'k1', 'k2', 'k3'];
const TTL_SECONDS = 1;
/**
 * The time for which a holder without a signal may trust its lease: it counts faster than Redis,
 * and from before its request.
 */
const BELIEF_MS = TTL_SECONDS * 980 - 5;

function createRound({ x, world, name, below, pick, oneIn, tell }) {
  const { patience } = world;
  const holders = world.holdersOf(x);

  function signalFor() {
    if (oneIn(4)) return patience.signal;
    return oneIn(6) ? AbortSignal.timeout(1 + below(100)) : undefined;
  }

  async function byHandle(key) {
    const waitMs = pick([0, 0, below(400)]);
    const signal = signalFor();
    const options = { ttlSeconds: TTL_SECONDS, waitMs, signal };
    const { value: lock, error } = await x.act('lock', () => outcomeOf(x.backplane.lock(key, options)), waitMs);
    if (error !== undefined && error !== signal?.reason) tell(`lock: rejected with ${error.code ?? error.message}`);
    if (!lock) return;
    const leave = holders.enter(key, `${x.name} ${name} lock ${lock.fence}`, () => !lock.signal.aborted);
    await sleep(below(15));
    if (oneIn(4)) await x.act('lock.extend', () => lock.extend());
    // Some are not released before the end of their lease.
    if (oneIn(40)) return;
    leave();
    await x.act('lock.release', () => lock.release());
  }

  async function byCallback(key) {
    const waitMs = below(600);
    const work = async (lock) => {
      const leave = holders.enter(key, `${x.name} ${name} withLock ${lock.fence}`, () => !lock.signal.aborted);
      await sleep(below(15));
      leave();
    };
    const options = { ttlSeconds: TTL_SECONDS, waitMs };
    const act = (uncounted) => outcomeOf(x.backplane.withLock(key, options, (lock) => uncounted(() => work(lock))));
    const { code, error } = await x.act('withLock', act, waitMs);
    if (error !== undefined && code !== 'E_NOT_LOCKED') tell(`withLock: rejected with ${code ?? error.message}`);
  }

  /** A backplane identifies such a lock by its name: only one caller at a time may use it there. */
  async function byName(key) {
    const own = `${x.name}:${key}`;
    if (world.namesInUse.has(own)) return;
    world.namesInUse.add(own);
    const end = performance.now() + BELIEF_MS;
    if (await x.call('acquireLock', key, TTL_SECONDS)) {
      const leave = holders.enter(key, `${x.name} ${name} acquireLock`, () => performance.now() < end);
      await sleep(below(15));
      leave();
      await x.call('releaseLock', key);
    }
    world.namesInUse.delete(own);
  }

  return async function round() {
    await byHandle(pick(KEYS));
    await byName(pick(KEYS));
    await byCallback(pick(KEYS));
  };
}

module.exports = { KEYS, createRound };
