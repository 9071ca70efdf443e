'use strict';

// One of several processes whose tasks contend for the same locks, until they are told to stop. What a
// holder sees of its signal goes to the parent at once, which also keeps the resource that it writes to.

const { setTimeout: sleep } = require('node:timers/promises');
const { dice } = require('../support/random');
const { now } = require('../support/critical-sections');
const { createBackplane } = require('../..');

const { worker, keys, tasks, release, longestTtlMs, overstaysOneIn, ...settings } = JSON.parse(process.argv[2]);
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
  #id;
  #key;
  #fence;
  #leaseEnd;
  #holds;

  constructor({ id, key, ttlMs }, fence, leaseEnd, holds) {
    this.#id = id;
    this.#key = key;
    this.#fence = fence;
    this.#leaseEnd = leaseEnd;
    this.#holds = holds;
    this.ttlMs = ttlMs;
  }

  extended() {
    this.#leaseEnd = now() + this.ttlMs * 1000;
  }

  look() {
    const since = now();
    const isHeld = this.#holds();
    const at = now();
    process.send({ looked: { id: this.#id, fence: this.#fence, since, at, isHeld, leaseEnd: this.#leaseEnd } });
    return isHeld;
  }

  async write() {
    if (this.#fence === 0) return;
    const written = new Promise((resolve) => writes.set(this.#id, resolve));
    process.send({ write: { id: this.#id, key: this.#key, fence: this.#fence } });
    await written;
  }
}

/** The next step of some work; now and then it keeps the whole thread, or outlasts the lease. */
async function step(section) {
  if (isOneIn(overstaysOneIn)) {
    const end = now() + (section.ttlMs + 200) * 1000;
    while (now() < end && !isOver && section.look()) await sleep(50);
  } else if (isOneIn(100)) {
    block(below(400));
  } else if (isOneIn(3)) {
    block(below(3));
  } else {
    await sleep(below(15));
  }
}

function block(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Works for as long as the lock is held; looks before and after each step. */
async function workUnder(section, { extend = async () => false } = {}) {
  let isHeld = section.look();
  for (let steps = 1 + below(3); isHeld && !isOver && steps > 0; steps -= 1) {
    await step(section);
    await section.write();
    isHeld = section.look();
    if (isHeld && isOneIn(10) && (await extend())) section.extended();
  }
}

function denied({ id }) {
  process.send({ denied: { id, at: now() } });
}

async function byHandle(about) {
  const { key, ttlMs } = about;
  const waitMs = isOneIn(5) ? 0 : below(2000);
  const signal = isOneIn(8) ? AbortSignal.timeout(1 + below(300)) : undefined;
  const held = await backplane.lock(key, { ttlSeconds: ttlMs / 1000, waitMs, signal }).catch((error) => {
    if (error !== signal?.reason) throw error;
  });
  if (!held) return denied(about);
  const section = new Section(about, held.fence, now() + ttlMs * 1000, () => !held.signal.aborted);
  await workUnder(section, { extend: () => held.extend() });
  // Some leave it to the end of the lease.
  if (!isOneIn(100)) await RELEASES[release](held);
}

const RELEASES = {
  own: (held) => held.release(),
  /** What a script does that compares no tokens; nothing while Redis is away. */
  anybodys: ({ key }) => backplane.getClient().call('DEL', `${settings.keyPrefix}lock:${key}`).catch(() => {}),
};

/** When a lease ends that is renewed cannot be told from here. */
async function byCallback(about) {
  const { key, ttlMs } = about;
  const options = { ttlSeconds: ttlMs / 1000, waitMs: below(2000) };
  const work = (held) => workUnder(new Section(about, held.fence, null, () => !held.signal.aborted));
  await backplane.withLock(key, options, work).catch((error) => {
    if (error.code !== 'E_NOT_LOCKED') throw error;
    denied(about);
  });
}

/** Without a signal the holder counts by itself, from before it asked, and a little faster than Redis. */
async function byName(about) {
  const { key, ttlMs, asked } = about;
  if (namesInUse.has(key)) return denied(about);
  namesInUse.add(key);
  if (await backplane.acquireLock(key, ttlMs / 1000)) {
    const leaseEnd = asked + ttlMs * 1000;
    await workUnder(new Section(about, 0, leaseEnd, () => now() < leaseEnd - ttlMs * 20 - 5000));
    await backplane.releaseLock(key);
  } else {
    denied(about);
  }
  namesInUse.delete(key);
}

async function contend() {
  while (!isOver) {
    const [how, enter] = pick([['lock', byHandle], ['lock', byHandle], ['withLock', byCallback], ['acquireLock', byName]]);
    const ttlMs = 300 + below(pick([300, 300, longestTtlMs - 300]));
    const about = { id: `${worker}.${++lastId}`, worker, how, key: pick(keys), ttlMs, asked: now() };
    process.send({ asked: about });
    await enter(about);
    await sleep(below(60));
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
