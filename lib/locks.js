'use strict';

const { onAbort } = require('./aborts');
const check = require('./check');
const { failure } = require('./errors');
const { Lock } = require('./lock');
const { Op } = require('./queue');

const DEFAULT_TTL_SECONDS = 30;
/** How long `withLock` waits for its lock by default. */
const DEFAULT_WAIT_MS = 10_000;

/** The locks of one backplane. index.d.ts documents each function. */
function createLocks(core) {
  const watched = new Map();
  let lastHandle = 0;
  core.events.on('lockLost', (handle) => watched.get(handle)?.lost());
  core.events.on('state', ({ state }) => {
    if (state === 'closed') for (const lock of watched.values()) lock.lost();
  });

  function acquireLock(key, ttlSeconds = DEFAULT_TTL_SECONDS) {
    const error = check.key(key) ?? check.ttl(ttlSeconds) ?? core.unusable();
    if (error) return Promise.reject(error);
    return ask(Op.LockTakeNamed, key, ++lastHandle, { ttlSeconds, waitMs: 0 });
  }

  async function releaseLock(key) {
    const error = check.key(key) ?? core.unusable();
    if (error) throw error;
    await core.queue.send(Op.LockReleaseNamed, core.number, key);
  }

  function lock(key, options) {
    return take(Op.LockTake, key, options, { waitMs: 0 });
  }

  async function withLock(key, options, callback) {
    if (typeof options === 'function' && callback === undefined) return withLock(key, undefined, options);
    const error = check.callback(callback, 'callback');
    if (error) throw error;
    const held = await take(Op.LockTakeRenewed, key, options, { waitMs: DEFAULT_WAIT_MS });
    if (held === null) throw failure('E_NOT_LOCKED', 'the lock did not become free in time');
    try {
      return await callback(held);
    } finally {
      await held.letGo();
    }
  }

  /** The lock, or null if it did not become free in time. */
  async function take(op, key, given, defaults) {
    const { error: optionsError, ...options } = readOptions(given, defaults);
    const error = check.key(key) ?? optionsError ?? core.unusable();
    if (error) throw error;
    const { ttlSeconds, signal } = options;
    if (signal?.aborted) throw signal.reason;
    const handle = ++lastHandle;
    const granted = await (signal ? askUnlessAborted(op, key, handle, options) : ask(op, key, handle, options));
    return granted && new Lock(core, watched, { key, handle, ttlSeconds }, granted);
  }

  function ask(op, key, handle, { ttlSeconds, waitMs }) {
    return core.queue.send(op, core.number, key, undefined, handle, ttlSeconds * 1000, waitMs);
  }

  /**
   * Rejects with the signal's reason if that comes before the answer. If the signal cannot be
   * listened to, nothing is sent.
   */
  function askUnlessAborted(op, key, handle, options) {
    return new Promise((resolve, reject) => {
      const stop = onAbort(options.signal, (reason) => {
        abandon(handle, answer);
        reject(reason);
      });
      const answer = ask(op, key, handle, options);
      const settle = (how) => (value) => {
        stop();
        how(value);
      };
      answer.then(settle(resolve), settle(reject));
    });
  }

  /** Stops waiting, and releases the lock if it is granted anyway. */
  function abandon(handle, answer) {
    if (core.unusable()) return;
    core.queue.post(Op.LockCancel, core.number, handle);
    const giveBack = (granted) => {
      if (granted && !core.unusable()) core.queue.ask(Op.LockRelease, core.number, handle);
    };
    answer.then(giveBack, () => {});
  }

  return { acquireLock, releaseLock, lock, withLock };
}

/** Reads each option once. Returns all of them, or an error. */
function readOptions(options = {}, defaults) {
  const error = check.object(options, 'options');
  if (error) return { error };
  try {
    const { ttlSeconds = DEFAULT_TTL_SECONDS, waitMs = defaults.waitMs, signal } = options;
    const wrong = check.ttl(ttlSeconds) ?? check.waitMs(waitMs, 'waitMs') ?? check.abortSignal(signal, 'signal');
    return { ttlSeconds, waitMs, signal, error: wrong };
  } catch (cause) {
    return { error: check.option('options cannot be read', cause) };
  }
}

module.exports = { createLocks };
