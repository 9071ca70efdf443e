'use strict';

const check = require('./check');
const { clearTimeout, setTimeout } = require('./clock');
const { closed, failure } = require('./errors');
const { Op } = require('./queue');

/** Node's own symbol, where the language does not have it yet. */
const ASYNC_DISPOSE = Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose');
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** A held lock. index.d.ts documents its contract. src/backplane/locks knows how long it lasts. */
class Lock {
  #core;
  #handle;
  #ttlSeconds;
  #watched;
  #controller = null;
  #timer = null;
  #isReleased = false;
  /** Why it was lost. */
  #reason = null;

  /** `watched`: the locks whose signal is in use, by handle. */
  constructor(core, watched, { key, handle, ttlSeconds }, { token, fence }) {
    this.#core = core;
    this.#watched = watched;
    this.#handle = handle;
    this.#ttlSeconds = ttlSeconds;
    this.key = key;
    this.token = token;
    this.fence = fence;
  }

  get signal() {
    this.#controller ??= this.#watch();
    return this.#controller.signal;
  }

  async extend(ttlSeconds = this.#ttlSeconds) {
    const error = check.ttl(ttlSeconds) ?? this.#core.unusable();
    if (error) throw error;
    const asked = this.#core.queue.ask(Op.LockExtend, this.#core.number, this.#handle, ttlSeconds * 1000);
    // A shorter lease is shorter from now on, whatever the answer is.
    this.#look(0);
    const isExtended = await asked;
    this.#look();
    return isExtended;
  }

  async release() {
    const error = this.#core.unusable();
    if (error) throw error;
    return this.letGo();
  }

  async [ASYNC_DISPOSE]() {
    await this.letGo();
  }

  /** Like `release`, but does not fail on a closed backplane. */
  async letGo() {
    this.#look();
    const isFirst = !this.#isReleased;
    this.#isReleased = true;
    this.#unwatch();
    if (this.#core.unusable()) return false;
    const wasHeld = await this.#core.queue.ask(Op.LockRelease, this.#core.number, this.#handle);
    if (isFirst && !wasHeld) this.lost();
    return wasHeld;
  }

  /** Somebody else holds it now, or may hold it. */
  lost() {
    this.#unwatch();
    if (this.#reason !== null) return;
    this.#reason = this.#core.closing === null ? failure('E_LOCK_LOST', 'somebody else may hold the lock by now') : closed();
    this.#controller?.abort(this.#reason);
  }

  #watch() {
    const controller = new AbortController();
    this.#controller = controller;
    if (this.#reason !== null) controller.abort(this.#reason);
    else if (!this.#isReleased) {
      this.#watched.set(this.#handle, this);
      askFirst(controller.signal, () => this.#look());
      this.#look();
    }
    return controller;
  }

  #unwatch() {
    this.#watched.delete(this.#handle);
    clearTimeout(this.#timer);
  }

  /**
   * Aborts if the lease has ended. Otherwise checks again when it will have ended, or after so many
   * ms.
   */
  #look(again) {
    if (this.#isReleased || this.#reason !== null) return;
    const { queue, number } = this.#core;
    const leftMs = queue.native.leaseMs(number, this.#handle);
    if (leftMs <= 0) this.lost();
    else if (this.#controller !== null) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#look(), Math.min(again ?? leftMs, LONGEST_TIMEOUT_MS));
      this.#timer.unref();
    }
  }
}

/**
 * Timers are late after a pause. Whoever reads the signal then must not see what was true before
 * the pause.
 */
function askFirst(signal, look) {
  const { prototype } = AbortSignal;
  for (const name of ['aborted', 'reason']) {
    const { get } = Object.getOwnPropertyDescriptor(prototype, name);
    Object.defineProperty(signal, name, {
      configurable: true,
      get() {
        look();
        return get.call(signal);
      },
    });
  }
  Object.defineProperty(signal, 'throwIfAborted', {
    configurable: true,
    value() {
      look();
      prototype.throwIfAborted.call(signal);
    },
  });
}

module.exports = { Lock };
