'use strict';

// One of several processes whose tasks contend for the same locks, until they are told to stop. What a
// holder sees of its signal goes to the parent at once, which also keeps the resource that it writes to.

const { setTimeout: sleep } = require('node:timers/promises');
const { dice } = require('../support/random');
const { now } = require('../support/critical-sections');
const { createBackplane } = require('../..');

const { worker, keys, tasks, release, ...settings } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
// A lock within one process would be another one than that of the others.
const backplane = createBackplane({ ...settings, locks: { onUnavailable: 'deny' }, logger: silent });
const { below, pick } = dice(process.pid);
const isOneIn = (count) => below(count) === 0;

let isOver = false;
let lastId = 0;
const writes = new Map();
/** `releaseLock` knows a lock by its name: in one process only one task at a time may use it. */
const namesInUse = new Set();

class Section {
  #holds;
  #leaseEnd;
  #about;

  constructor(about, leaseEnd, holds) {
    this.#about = { ...about, worker, id: `${worker}.${++lastId}` };
    this.#leaseEnd = leaseEnd;
    this.#holds = holds;
  }

  look() {
    const since = now();
    const isHeld = this.#holds();
    const at = now();
    process.send({ look: { section: this.#about, since, at, isHeld, leaseEnd: this.#leaseEnd } });
    return isHeld;
  }

  write() {
    const id = ++lastId;
    const { key, fence } = this.#about;
    process.send({ write: { id, key, fence } });
    return new Promise((resolve) => writes.set(id, resolve));
  }

  extended() {
    this.#leaseEnd = now() + this.#about.ttl;
  }
}

/** The next step of some work; now and then it keeps the whole thread, or outlasts the lease. */
async function step(ttlMs) {
  if (isOneIn(60)) await sleep(ttlMs + below(200));
  else if (isOneIn(40)) block(below(400));
  else if (isOneIn(3)) block(below(3));
  else await sleep(below(25));
}

function block(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Works for as long as the lock is held; looks before and after each step. */
async function workUnder(section, ttlMs, held) {
  let isHeld = section.look();
  for (let steps = 1 + below(3); isHeld && steps > 0; steps -= 1) {
    await step(ttlMs);
    if (held) await section.write();
    isHeld = section.look();
    if (isHeld && held && isOneIn(10) && (await held.extend())) section.extended();
  }
}

async function byHandle(key, ttlMs) {
  const asked = now();
  const waitMs = isOneIn(5) ? 0 : below(3000);
  const signal = isOneIn(8) ? AbortSignal.timeout(1 + below(300)) : undefined;
  const held = await backplane.lock(key, { ttlSeconds: ttlMs / 1000, waitMs, signal }).catch((error) => {
    if (error !== signal?.reason) throw error;
  });
  if (!held) return;
  const ttl = ttlMs * 1000;
  const section = new Section({ how: 'lock', key, fence: held.fence, ttl, asked }, now() + ttl, () => !held.signal.aborted);
  await workUnder(section, ttlMs, held);
  // Some leave it to the end of the lease.
  if (!isOneIn(30)) await RELEASES[release](held);
}

const RELEASES = {
  own: (held) => held.release(),
  /** What a script does that compares no tokens. */
  anybodys: ({ key }) => backplane.getClient().call('DEL', `${settings.keyPrefix}lock:${key}`),
};

async function byCallback(key, ttlMs) {
  const asked = now();
  const ttl = ttlMs * 1000;
  const underLock = (held) => {
    // When a lease ends that is renewed cannot be told from here.
    const section = new Section({ how: 'withLock', key, fence: held.fence, ttl, asked }, null, () => !held.signal.aborted);
    return workUnder(section, ttlMs, { extend: async () => false });
  };
  await backplane.withLock(key, { ttlSeconds: ttlMs / 1000, waitMs: below(3000) }, underLock).catch((error) => {
    if (error.code !== 'E_NOT_LOCKED') throw error;
  });
}

/** Without a signal the holder counts by itself, from before it asked, and a little faster than Redis. */
async function byName(key, ttlMs) {
  if (namesInUse.has(key)) return;
  namesInUse.add(key);
  const asked = now();
  if (await backplane.acquireLock(key, ttlMs / 1000)) {
    const leaseEnd = asked + ttlMs * 1000;
    const holds = () => now() < leaseEnd - ttlMs * 20 - 5000;
    await workUnder(new Section({ how: 'acquireLock', key, fence: 0, ttl: ttlMs * 1000, asked }, leaseEnd, holds), ttlMs, null);
    await backplane.releaseLock(key);
  }
  namesInUse.delete(key);
}

async function contend() {
  while (!isOver) {
    const enter = pick([byHandle, byHandle, byCallback, byName]);
    await enter(pick(keys), 300 + below(1700));
    await sleep(below(40));
  }
}

process.on('message', ({ written }) => {
  if (written === undefined) {
    isOver = true;
    return;
  }
  writes.get(written)();
  writes.delete(written);
});

async function main() {
  await Promise.all(Array.from({ length: tasks }, contend));
  await backplane.close();
  process.disconnect();
}

main();
