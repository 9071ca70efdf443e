'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { nowMicros } = require('../../harness/clock');

/** The waiters for one lock in one process. Each acquires it once, holds it and releases it. */
class Line {
  #client;
  #holderOf;
  #visits = Promise.resolve([]);

  /** @param holderOf asks Redis for the token of who has the lock. */
  constructor(client, holderOf) {
    this.#client = client;
    this.#holderOf = holderOf;
  }

  /**
   * Resolves when all have called: each `afterMillis`, with the lock held for `holdMillis`.
   * `isDeep`: each must then find its own token in Redis.
   */
  async begin({ lock, calls, isDeep }) {
    const called = [];
    this.#visits = Promise.all(
      calls.map(async ({ afterMillis, holdMillis }) => {
        const call = sleep(afterMillis).then(() => this.#call(lock));
        called.push(call);
        return this.#visit(await call, { lock, holdMillis, isDeep });
      }),
    );
    await Promise.all(called);
  }

  /** When each called, acquired and released it; and what was wrong, if anything. */
  end() {
    return this.#visits;
  }

  // In an object: the call has been made, and its answer has not arrived yet.
  #call(lock) {
    const calledAt = nowMicros();
    const granted = this.#client.wait(lock);
    granted.catch(() => {});
    return { calledAt, granted };
  }

  async #visit({ calledAt, granted }, { lock, holdMillis, isDeep }) {
    try {
      const held = await granted;
      const grantedAt = nowMicros();
      if (held === null) return { calledAt, problem: 'was not granted' };
      const isOwner = !isDeep || (await this.#holderOf(lock)) === held.token;
      if (holdMillis > 0) await sleep(holdMillis);
      const releasedAt = nowMicros();
      const isReleased = await held.release();
      return { calledAt, grantedAt, releasedAt, problem: problemOf(isOwner, isReleased) };
    } catch (error) {
      return { calledAt, problem: error.message };
    }
  }
}

function problemOf(isOwner, isReleased) {
  if (!isOwner) return 'Redis has the token of another';
  return isReleased ? null : 'was lost before it was released';
}

module.exports = { Line };
