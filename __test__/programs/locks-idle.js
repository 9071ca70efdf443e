'use strict';

// Uses locks and closes nothing that it is not told to. It has to end by itself, not before its answer is there.

const { createBackplane } = require('../..');

const { use, ...options } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const backplane = createBackplane({ ...options, logger: silent, connectTimeoutMs: 500, commandTimeoutMs: 500 });
const shown = (value) => console.log(JSON.stringify(value));

const USES = {
  /** Held for longer than the test waits, with a signal that is watched. */
  async held() {
    const lock = await backplane.lock('k', { ttlSeconds: 600 });
    lock.signal.addEventListener('abort', () => shown('aborted'));
    shown([await backplane.acquireLock('other', 600), lock.signal.aborted]);
  },
  /** Nothing but the answer can print. */
  async waits() {
    await backplane.acquireLock('k', 1);
    backplane.lock('k', { waitMs: Infinity }).then((lock) => shown(lock !== null));
  },
  async waitsInVain() {
    await backplane.acquireLock('k', 600);
    backplane.lock('k', { waitMs: 700 }).then(shown);
  },
  /** What cannot be held is waited for in vain, until the signal aborts. */
  async waitsForTooShortALease() {
    const controller = new AbortController();
    backplane.lock('k', { ttlSeconds: 0.001, waitMs: Infinity, signal: controller.signal }).catch(({ name }) => shown(name));
    setTimeout(async () => {
      shown(await backplane.cacheGet('none'));
      controller.abort();
    }, 100);
  },
  async closedWhileWaiting() {
    const lock = await backplane.lock('k', { ttlSeconds: 600 });
    lock.signal.addEventListener('abort', () => shown(lock.signal.reason.code));
    backplane.lock('k', { waitMs: Infinity }).catch(({ code }) => shown(code));
    await backplane.close();
  },
};

USES[use]();
