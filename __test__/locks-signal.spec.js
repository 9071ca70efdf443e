'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { uniquePrefix, until } = require('./support');
const { aborts, areWaiting, block, commandsOf } = require('./support/locks');
const { NOBODY, PLACES, onRedis } = require('./support/places');
const { resultOf } = require('./support/program');
const { startRemote } = require('./support/remote');

/** What a noisy machine may add. */
const LATE_MS = 500;
const HELD = ['k', { ttlSeconds: 30 }];

describe.each(PLACES)('the signal of a lock on %s', (_where, start) => {
  let place;
  let locks;
  let keys = 0;

  beforeAll(async () => {
    place = await start();
    locks = await place.open();
  });

  afterAll(() => place.end());

  const newKey = () => `k${(keys += 1)}`;

  test.each([0.1, 0.3, 1])('aborts by itself at the end of a lease of %d s, with E_LOCK_LOST', async (ttlSeconds) => {
    const begun = performance.now();
    const { signal } = await locks.lock(newKey(), { ttlSeconds });
    const reason = await aborts(signal);
    expect(performance.now() - begun).toBeGreaterThan(ttlSeconds * 900 - 10);
    expect(performance.now() - begun).toBeLessThan(ttlSeconds * 1000 + LATE_MS);
    expect([reason.code, reason instanceof Error, signal.reason]).toEqual(['E_LOCK_LOST', true, reason]);
  });

  test('has aborted whenever somebody else could have the lock', async () => {
    for (let round = 0; round < 20; round += 1) {
      const held = await locks.lock(newKey(), { ttlSeconds: 0.03 + round / 500 });
      expect(held.signal.aborted).toBe(false);
      let wasAborted;
      await until(async () => {
        const next = await locks.lock(held.key);
        wasAborted = held.signal.aborted;
        return next;
      }, { everyMs: 0 });
      expect(wasAborted).toBe(true);
    }
  });

  test('is right after the thread was blocked, although no timer has run', async () => {
    const held = await Promise.all([1, 2, 3, 4].map(() => locks.lock(newKey(), { ttlSeconds: 0.1 })));
    const [read, reason, throwing] = held.map(({ signal }, i) => (i < 3 ? signal : null));
    block(200);
    expect(read.aborted).toBe(true);
    expect(reason.reason).toMatchObject({ code: 'E_LOCK_LOST' });
    expect(() => throwing.throwIfAborted()).toThrow(expect.objectContaining({ code: 'E_LOCK_LOST' }));
    expect(held[3].signal.aborted).toBe(true);
  });

  test('is not aborted by a block that the lease outlasts', async () => {
    const { signal } = await locks.lock(newKey(), { ttlSeconds: 30 });
    block(200);
    expect([signal.aborted, signal.reason, signal.throwIfAborted()]).toEqual([false, undefined, undefined]);
  });

  test('does not abort when the lock is released in time, however often it is read', async () => {
    const [read, unread] = [await locks.lock(newKey(), { ttlSeconds: 0.2 }), await locks.lock(newKey(), { ttlSeconds: 0.2 })];
    const { signal } = read;
    expect(await Promise.all([read.release(), unread.release()])).toEqual([true, true]);
    await sleep(400);
    expect([signal.aborted, read.signal.aborted, unread.signal.aborted, signal.reason]).toEqual([false, false, false, undefined]);
  });

  test('has aborted when the lock is released after its end', async () => {
    const held = await locks.lock(newKey(), { ttlSeconds: 0.1 });
    const { signal } = held;
    block(200);
    expect([await held.release(), signal.aborted]).toEqual([false, true]);
  });

  test('has aborted when it is read only after a late release', async () => {
    const held = await locks.lock(newKey(), { ttlSeconds: 0.05 });
    await until(() => locks.acquireLock(held.key));
    expect([await held.release(), held.signal.aborted]).toEqual([false, true]);
  });

  test('follows what is extended', async () => {
    const held = await locks.lock(newKey(), { ttlSeconds: 0.3 });
    const { signal } = held;
    expect(await held.extend(1)).toBe(true);
    await sleep(500);
    expect(signal.aborted).toBe(false);
    const begun = performance.now();
    expect(await held.extend(0.1)).toBe(true);
    expect((await aborts(signal)).code).toBe('E_LOCK_LOST');
    expect(performance.now() - begun).toBeLessThan(100 + LATE_MS);
  });

  test('a lease of ten years overflows no timer', async () => {
    const { signal } = await locks.lock(newKey(), { ttlSeconds: 10 * 365 * 24 * 3600 });
    await sleep(50);
    expect(signal.aborted).toBe(false);
  });

  test('works with what takes a signal', async () => {
    const held = await locks.lock(newKey(), { ttlSeconds: 0.3 });
    const any = AbortSignal.any([held.signal, new AbortController().signal]);
    await expect(sleep(10_000, null, { signal: held.signal })).rejects.toMatchObject({ name: 'AbortError' });
    expect([any.aborted, any.reason.code]).toEqual([true, 'E_LOCK_LOST']);
    await expect(fetch('http://127.0.0.1:1', { signal: held.signal })).rejects.toMatchObject({ code: 'E_LOCK_LOST' });
    await expect(locks.lock(held.key, { waitMs: 1000, signal: held.signal })).rejects.toMatchObject({ code: 'E_LOCK_LOST' });
  });

  test.each(['atomics', 'loop', 'garbage'])('case 47: a thread that is blocked (%s) for thrice the TTL keeps a lock that is renewed', async (how) => {
    const url = place.redis?.url ?? NOBODY;
    const prefix = uniquePrefix();
    const running = resultOf('locks-blocked.js', { use: 'renewed', how, ms: 1800, ttlSeconds: 0.6, url, keyPrefix: prefix });
    let isOver = false;
    running.finally(() => { isOver = true; }).catch(() => {});
    const seen = new Set();
    if (place.redis) {
      const watching = await place.open({ keyPrefix: prefix });
      await until(() => place.redis.command('EXISTS', `${prefix}lock:k`));
      const begun = performance.now();
      while (performance.now() - begun < 1500 && !isOver) {
        seen.add(await watching.acquireLock('k'));
        await sleep(5);
      }
    }
    expect(await running).toEqual({ before: false, atOnce: false, after: false });
    expect([...seen]).toEqual(place.redis ? [false] : []);
  });

  test.each(['atomics', 'loop'])('a thread that is blocked (%s) for longer than a lease that is not renewed is told at once', async (how) => {
    const argument = { use: 'owned', how, ms: 900, ttlSeconds: 0.6, url: place.redis?.url ?? NOBODY, keyPrefix: uniquePrefix() };
    expect(await resultOf('locks-blocked.js', argument)).toEqual({
      before: [false, true, null],
      atOnce: [true, 'E_LOCK_LOST', 'E_LOCK_LOST', true],
    });
  });
});

describe('locks of several processes', () => {
  let place;
  let keyPrefix;
  let locks;
  let nodes = [];

  beforeAll(async () => {
    place = await onRedis();
  });

  beforeEach(async () => {
    keyPrefix = uniquePrefix();
    locks = await place.open({ keyPrefix });
  });

  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.kill()));
    await place.clear();
  });

  afterAll(() => place.end());

  async function started(count) {
    nodes = await Promise.all(Array.from({ length: count }, () => startRemote('locks-node.js', { url: place.redis.url, keyPrefix })));
    return nodes;
  }

  const pidOf = (node) => node.run(() => process.pid);
  /** Takes the lock, or waits for it without an answer before the next task. */
  const hold = (node, ...args) => node.run(async ({ backplane, kept }, key, options) => { kept.lock = await backplane.lock(key, options); return kept.lock !== null; }, ...args);
  const begin = (node) => node.run(({ backplane, kept }) => { kept.waiting = backplane.lock('k', { waitMs: Infinity, ttlSeconds: 30 }).then((lock) => { kept.lock = lock; return Date.now(); }); });
  const scripts = async () => (await commandsOf(place.redis)).evalsha ?? 0;

  /** Has a node wait. It looks twice, before and after it can be called; later it has nothing under way that could be granted. */
  async function wait(node) {
    const before = await scripts();
    await begin(node);
    await until(async () => (await scripts()) >= before + 2, { what: 'the waiter has looked twice' });
  }
  const got = (node) => node.run(({ kept }) => kept.waiting);
  const release = (node) => node.run(({ kept }) => kept.lock.release());

  test('who comes first gets it first, from three processes and two backplanes', async () => {
    const [a, b, c] = await started(3);
    const other = await place.open({ keyPrefix });
    const held = await locks.lock('k');
    const order = [];
    const turn = (node, name) => node.run(({ backplane }, name) => backplane.withLock('k', { waitMs: Infinity }, () => backplane.getClient().call('RPUSH', 'order', name)), name);
    const turnHere = (backplane, name) => backplane.withLock('k', { waitMs: Infinity }, () => place.redis.command('RPUSH', 'order', name));
    const waiting = [];
    for (let round = 0; round < 5; round += 1) {
      for (const [who, take] of [[a, turn], [locks, turnHere], [b, turn], [c, turn], [other, turnHere]]) {
        order.push(`${order.length}`);
        waiting.push(take(who, order.at(-1)));
        await areWaiting(place.redis, keyPrefix, 'k', order.length);
      }
    }
    await held.release();
    await Promise.all(waiting);
    expect(await place.redis.command('LRANGE', 'order', 0, -1)).toEqual(order);
  });

  test('case 46: a holder that is killed: who waits has it after what is left of the lease, in order', async () => {
    const [a, b, c] = await started(3);
    expect(await hold(a, 'k', { ttlSeconds: 1.5 })).toBe(true);
    await wait(b);
    await areWaiting(place.redis, keyPrefix, 'k', 1);
    await wait(c);
    await areWaiting(place.redis, keyPrefix, 'k', 2);
    await a.kill();
    const end = Date.now() + (await place.redis.command('PTTL', `${keyPrefix}lock:k`));
    const at = await got(b);
    expect(at).toBeGreaterThanOrEqual(end - 10);
    expect(at).toBeLessThan(end + LATE_MS);
    expect(await release(b)).toBe(true);
    await got(c);
  });

  test('a holder that is killed while it renews: who waits has it after the lease', async () => {
    const [a] = await started(1);
    await a.run(({ backplane }) => new Promise((isIn) => { backplane.withLock('k', { ttlSeconds: 1 }, () => { isIn(); return new Promise(() => {}); }); }));
    const waiting = locks.lock('k', { waitMs: 10_000 });
    await areWaiting(place.redis, keyPrefix, 'k', 1);
    await sleep(1200);
    await a.kill();
    const begun = performance.now();
    expect(await waiting).not.toBeNull();
    expect(performance.now() - begun).toBeLessThan(1000 + LATE_MS);
  });

  test('case 46: one that is killed in the queue blocks nobody, at a release and at the end of a lease', async () => {
    for (const way of ['release', 'end']) {
      const [dead, alsoDead] = await started(2);
      const held = await locks.lock('k', { ttlSeconds: way === 'end' ? 2 : 30 });
      await wait(dead);
      await areWaiting(place.redis, keyPrefix, 'k', 1);
      await wait(alsoDead);
      await areWaiting(place.redis, keyPrefix, 'k', 2);
      const waiting = locks.lock('k', { waitMs: Infinity });
      await areWaiting(place.redis, keyPrefix, 'k', 3);
      await Promise.all([dead.kill(), alsoDead.kill()]);
      const left = way === 'end' ? await place.redis.command('PTTL', `${keyPrefix}lock:k`) : 0;
      const begun = performance.now();
      if (way === 'release') expect(await held.release()).toBe(true);
      const next = await waiting;
      expect(performance.now() - begun).toBeLessThan(left + LATE_MS);
      await next.release();
    }
  });

  test.each(['release', 'end'])('one that is stopped in the queue delays those behind it by a second, at the %s of a lease; it gets its turn when it goes on', async (way) => {
    const [stopped] = await started(1);
    const held = await locks.lock('k', { ttlSeconds: way === 'end' ? 2 : 30 });
    await wait(stopped);
    await areWaiting(place.redis, keyPrefix, 'k', 1);
    const waiting = locks.lock('k', { waitMs: Infinity });
    await areWaiting(place.redis, keyPrefix, 'k', 2);
    const pid = await pidOf(stopped);
    process.kill(pid, 'SIGSTOP');
    const left = way === 'end' ? await place.redis.command('PTTL', `${keyPrefix}lock:k`) : 0;
    const begun = performance.now();
    if (way === 'release') expect(await held.release()).toBe(true);
    const next = await waiting;
    expect(performance.now() - begun).toBeLessThan(left + 1000 + LATE_MS);
    process.kill(pid, 'SIGCONT');
    await areWaiting(place.redis, keyPrefix, 'k', 1);
    expect(await next.release()).toBe(true);
    await got(stopped);
    expect(await locks.acquireLock('k')).toBe(false);
  });

  test('case 5: one that is stopped for longer than its lease is told when it goes on, and does not release another\'s', async () => {
    const [stopped] = await started(1);
    expect(await hold(stopped, 'k', { ttlSeconds: 0.5 })).toBe(true);
    await stopped.run(({ kept }) => { kept.seen = []; kept.signal = kept.lock.signal; setInterval(() => kept.seen.push([Date.now(), kept.signal.aborted]), 1); });
    await until(async () => (await stopped.run(({ kept }) => kept.seen.length)) > 1);
    const pid = await pidOf(stopped);
    process.kill(pid, 'SIGSTOP');
    const next = await locks.lock('k', { waitMs: 5000 });
    const gotAt = Date.now();
    process.kill(pid, 'SIGCONT');
    await until(async () => (await stopped.run(({ kept }) => kept.seen.at(-1)[0])) > gotAt);
    const wrong = await stopped.run(({ kept }, at) => kept.seen.filter(([when, aborted]) => when > at && !aborted).length, gotAt);
    expect(wrong).toBe(0);
    expect(await stopped.run(({ kept }) => Promise.all([kept.lock.extend(), kept.lock.release()]))).toEqual([false, false]);
    expect(await stopped.run(({ kept }) => kept.lock.fence)).toBeLessThan(next.fence);
    expect(await next.release()).toBe(true);
  });

  test.each([['deleted', 'DEL', []], ['another\'s', 'SET', ['theirs', 'EX', 60]]])('under withLock it aborts soon when the key is %s', async (_title, name, rest) => {
    await locks.withLock('k', { ttlSeconds: 0.9 }, async ({ signal }) => {
      await place.redis.command(name, `${keyPrefix}lock:k`, ...rest);
      const begun = performance.now();
      expect((await aborts(signal)).code).toBe('E_LOCK_LOST');
      expect(performance.now() - begun).toBeLessThan(400 + LATE_MS);
    });
    if (name === 'SET') expect(await place.redis.command('GET', `${keyPrefix}lock:k`)).toBe('theirs');
  });

  test('the signal aborts before the lease has ended on the server', async () => {
    const { signal } = await locks.lock('k', { ttlSeconds: 5 });
    await aborts(signal);
    expect(await place.redis.command('PTTL', `${keyPrefix}lock:k`)).toBeGreaterThan(0);
  });

  test('it aborts when extend finds another\'s lock, and not before', async () => {
    const held = await locks.lock(...HELD);
    await place.redis.command('SET', `${keyPrefix}lock:k`, 'theirs', 'EX', 60);
    expect(held.signal.aborted).toBe(false);
    expect([await held.extend(), held.signal.aborted, held.signal.reason.code]).toEqual([false, true, 'E_LOCK_LOST']);
    expect(await place.redis.command('GET', `${keyPrefix}lock:k`)).toBe('theirs');
  });
});
