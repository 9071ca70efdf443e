'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { uniquePrefix, until } = require('./support');
const { outcomeOf } = require('./support/deferred');
const { areWaiting, commandsOf, waitersOf } = require('./support/locks');
const { NOBODY, PLACES, onRedis, usePlace } = require('./support/places');
const { runProgram } = require('./support/program');

/** What a noisy machine may add. */
const LATE_MS = 500;
const PROVOKED = new Error('provoked by a test');

const forever = { waitMs: Infinity };

describe.each(PLACES)('waiting for locks on %s', (where, start) => {
  let place;
  let keyPrefix;
  let locks;
  let other;
  let keys = 0;

  beforeAll(async () => {
    place = await start();
    keyPrefix = uniquePrefix();
    locks = await place.open({ keyPrefix });
    other = where === 'redis' ? await place.open({ keyPrefix }) : locks;
  });

  afterAll(() => place.end());

  const newKey = () => `k${(keys += 1)}`;

  /** All of them are in the queue: on Redis it tells, in memory that is the case with the answer to a later call. */
  const queued = (key, count) => (place.redis ? areWaiting(place.redis, keyPrefix, key, count) : locks.lock('later', { waitMs: 1 }).then((lock) => lock?.release()));

  /** Waits, and writes down who got it; gives it on at once. */
  function waiter(got, name, from, key, options = forever) {
    return from.lock(key, options).then(async (lock) => {
      got.push(lock && name);
      await lock?.release();
    });
  }

  test('who comes first gets it first, from two backplanes, 200 times', async () => {
    const key = newKey();
    const held = await locks.lock(key);
    const got = [];
    const waiting = [];
    for (let i = 0; i < 200; i += 1) {
      waiting.push(waiter(got, i, i % 3 ? locks : other, key));
      if (i < 20 || i % 3 === 2) await queued(key, i + 1);
      else if ((i + 1) % 3 !== i % 3) await queued(key, i + 1);
    }
    expect(await held.release()).toBe(true);
    await Promise.all(waiting);
    expect(got).toEqual(Array.from({ length: 200 }, (_, i) => i));
    if (place.redis) expect(await waitersOf(place.redis, keyPrefix, key)).toBe(0);
  });

  test('200 that come at once from one backplane get it in the order of their calls', async () => {
    const key = newKey();
    const held = await locks.lock(key);
    const got = [];
    const waiting = Array.from({ length: 200 }, (_, i) => waiter(got, i, locks, key));
    await queued(key, 200);
    await held.release();
    await Promise.all(waiting);
    expect(got).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  test('nobody overtakes who waits', async () => {
    const key = newKey();
    const held = await locks.lock(key);
    const waiting = other.lock(key, forever);
    await queued(key, 1);
    const released = held.release();
    const overtaking = [locks.acquireLock(key), locks.lock(key), locks.acquireLock(key)];
    expect(await Promise.all([released, ...overtaking])).toEqual([true, false, null, false]);
    expect(await (await waiting).release()).toBe(true);
  });

  test('who waits is woken by the release, of each kind, and not later', async () => {
    const key = newKey();
    const ways = [
      () => locks.acquireLock(key).then(() => () => locks.releaseLock(key)),
      () => locks.lock(key).then((lock) => () => lock.release()),
      () => new Promise((isIn) => { locks.withLock(key, () => new Promise((leave) => { isIn(leave); })); }),
    ];
    for (const way of ways) {
      const release = await way();
      const waiting = other.lock(key, forever);
      await queued(key, 1);
      const begun = performance.now();
      release();
      const lock = await waiting;
      expect(performance.now() - begun).toBeLessThan(LATE_MS);
      await lock.release();
    }
  });

  test.each([['as it was taken', 0.4, null, 400], ['that was made longer', 0.3, 0.8, 800], ['that was made shorter', 30, 0.4, 400]])(
    'who waits gets it at the end of a lease %s',
    async (_title, ttlSeconds, extended, ms) => {
      const held = await locks.lock(newKey(), { ttlSeconds });
      const waiting = other.lock(held.key, { waitMs: 8000 });
      await queued(held.key, 1);
      const begun = performance.now();
      if (extended) expect(await held.extend(extended)).toBe(true);
      expect(await waiting).not.toBeNull();
      const took = performance.now() - begun;
      expect(held.signal.aborted).toBe(true);
      if (extended) expect(took).toBeGreaterThan(ms - 10);
      expect(took).toBeLessThan(ms + LATE_MS);
    }
  );

  test('waitMs: 0 does not wait, little waits little; nothing is left in the queue', async () => {
    const key = newKey();
    await locks.acquireLock(key, 60);
    for (const waitMs of [0, -0, 0.001, 1, 100, 300]) {
      const begun = performance.now();
      expect(await other.lock(key, { waitMs })).toBeNull();
      const took = performance.now() - begun;
      expect(took).toBeGreaterThanOrEqual(waitMs - 1);
      expect(took).toBeLessThan(waitMs + LATE_MS);
      // Who gives up does not wait until the server has heard of it.
      if (place.redis) await queued(key, 0);
    }
  });

  test('however long somebody is ready to wait, they get it', async () => {
    for (const waitMs of [2 ** 31, 2 ** 32 + 1, 2 ** 53, 1e300, Number.MAX_VALUE, Infinity]) {
      const key = newKey();
      const held = await locks.lock(key);
      const waiting = other.lock(key, { waitMs });
      await queued(key, 1);
      await held.release();
      expect(await waiting).toMatchObject({ key });
    }
  });

  test('a lease so short that it cannot be held: comes to an end', async () => {
    const begun = performance.now();
    for (const ttlSeconds of [Number.MIN_VALUE, 1e-9, 0.001, 0.002]) {
      const lock = await locks.lock(newKey(), { ttlSeconds, waitMs: 300 });
      expect(lock === null || lock.fence > 0).toBe(true);
    }
    expect(performance.now() - begun).toBeLessThan(4 * 300 + LATE_MS);
  });

  test('a signal that has aborted before: rejects with its reason, and nothing is taken', async () => {
    const key = newKey();
    for (const reason of [PROVOKED, undefined, null, 'text']) {
      const signal = AbortSignal.abort(reason);
      for (const call of [locks.lock(key, { signal }), locks.lock(key, { signal, waitMs: 50 }), locks.withLock(key, { signal }, () => 'ran')]) {
        expect(await outcomeOf(call)).toMatchObject({ error: signal.reason });
      }
    }
    expect(await other.acquireLock(key)).toBe(true);
  });

  test('a signal that aborts while it waits: rejects at once with its reason, and those behind come earlier', async () => {
    const key = newKey();
    const held = await locks.lock(key);
    const aborted = new AbortController();
    const got = [];
    const first = outcomeOf(other.lock(key, { ...forever, signal: aborted.signal }));
    await queued(key, 1);
    const behind = waiter(got, 'behind', locks, key);
    await queued(key, 2);
    aborted.abort(PROVOKED);
    expect((await first).error).toBe(PROVOKED);
    await queued(key, 1);
    const begun = performance.now();
    await held.release();
    await behind;
    expect(performance.now() - begun).toBeLessThan(LATE_MS);
    expect(got).toEqual(['behind']);
  });

  test('a time-out of AbortSignal ends the waiting', async () => {
    const key = newKey();
    await locks.acquireLock(key);
    const { error } = await outcomeOf(other.lock(key, { ...forever, signal: AbortSignal.timeout(50) }));
    expect(error.name).toBe('TimeoutError');
    if (place.redis) await queued(key, 0);
  });

  test('a signal that aborts after the lock was got does nothing to it', async () => {
    const controller = new AbortController();
    const lock = await locks.lock(newKey(), { ...forever, signal: controller.signal });
    controller.abort(PROVOKED);
    expect([lock.signal.aborted, await lock.extend(), await lock.release()]).toEqual([false, true, true]);
    const other2 = new AbortController();
    expect(await locks.withLock(newKey(), { signal: other2.signal }, async ({ signal }) => { other2.abort(PROVOKED); await sleep(20); return signal.aborted; })).toBe(false);
  });

  test('a grant that crosses with the abort is given back', async () => {
    for (let round = 0; round < 60; round += 1) {
      const key = newKey();
      const held = await locks.lock(key);
      const controller = new AbortController();
      const aborted = outcomeOf(other.lock(key, { ...forever, signal: controller.signal }));
      if (round % 2) await queued(key, 1);
      const released = held.release();
      if (round % 3 === 1) await new Promise(setImmediate);
      if (round % 3 === 2) await sleep(1);
      controller.abort(PROVOKED);
      const { value, error } = await aborted;
      await released;
      expect(value || error === PROVOKED).toBeTruthy();
      if (value) expect(await value.release()).toBe(true);
      const next = await locks.lock(key, { waitMs: 5000 });
      expect(next).not.toBeNull();
      await next.release();
    }
  });

  test('an abort in the tick of the call leaves nothing behind', async () => {
    const key = newKey();
    const outcomes = Array.from({ length: 50 }, () => {
      const controller = new AbortController();
      const outcome = outcomeOf(locks.lock(key, { ...forever, signal: controller.signal }));
      controller.abort(PROVOKED);
      return outcome;
    });
    for (const { error } of await Promise.all(outcomes)) expect(error).toBe(PROVOKED);
    expect(await other.lock(key, { waitMs: 5000 })).not.toBeNull();
  });

  test('withLock waits for 10 s unless it is told, lock does not', async () => {
    const key = newKey();
    await locks.acquireLock(key, 1);
    expect(await other.lock(key)).toBeNull();
    expect(await other.withLock(key, () => 'ran')).toBe('ran');
  });

  test('close while waiting: E_CLOSED for who waits, and for the signals of what is held', async () => {
    const closing = await place.open();
    const [held, unread] = [await closing.lock('k'), await closing.lock('l')];
    const { signal } = held;
    const waiting = [closing.lock('k', forever), closing.lock('k', { waitMs: 5000 }), closing.withLock('k', () => 'ran')].map(outcomeOf);
    const running = closing.withLock('m', async (lock) => { await new Promise((resolve) => lock.signal.addEventListener('abort', resolve)); return lock.signal.reason.code; });
    await closing.lock('k', { waitMs: 20 });
    await closing.close();
    expect((await Promise.all(waiting)).map(({ code }) => code)).toEqual(['E_CLOSED', 'E_CLOSED', 'E_CLOSED']);
    expect([signal.aborted, signal.reason.code, unread.signal.aborted, unread.signal.reason?.code]).toEqual([true, 'E_CLOSED', true, 'E_CLOSED']);
    expect(await running).toBe('E_CLOSED');
    const after = [held.extend(), held.release(), closing.acquireLock('k'), closing.releaseLock('k'), closing.lock('k'), closing.withLock('k', () => 'ran')];
    for (const call of after) expect((await outcomeOf(call)).code).toBe('E_CLOSED');
  });

  test('close does not wait for who waits', async () => {
    const closing = await place.open({ commandTimeoutMs: 3000 });
    await closing.acquireLock('k');
    const waiting = outcomeOf(closing.lock('k', forever));
    await closing.lock('k', { waitMs: 20 });
    const begun = performance.now();
    await closing.close();
    expect((await waiting).code).toBe('E_CLOSED');
    expect(performance.now() - begun).toBeLessThan(LATE_MS);
  });

  test.each([['held', [[true, false]]], ['waits', [true]], ['waitsInVain', [null]], ['closedWhileWaiting', ['E_CLOSED', 'E_CLOSED']]])(
    'a process ends by itself when nobody waits, and not before: %s',
    async (use, said) => {
      const url = place.redis?.url ?? NOBODY;
      const { code, stdout, stderr } = await runProgram('locks-idle.js', { use, url, keyPrefix: uniquePrefix() });
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout.trim().split('\n').map((line) => JSON.parse(line))).toEqual(said);
    }
  );

  test('who waits for a lease that is too short to be held keeps nobody else from anything', async () => {
    const argument = { use: 'waitsForTooShortALease', url: place.redis?.url ?? NOBODY, keyPrefix: uniquePrefix() };
    const { code, stdout } = await runProgram('locks-idle.js', argument, { timeoutMs: 5000 });
    expect([code, stdout]).toEqual([0, 'null\n"AbortError"\n']);
  });
});

describe('waiting for locks, as the server sees it', () => {
  const place = usePlace(onRedis);

  async function scripts() {
    const { eval: evals = 0, evalsha = 0 } = await commandsOf(place.redis);
    return evals + evalsha;
  }

  async function scriptsDuring(act) {
    const before = await scripts();
    await act();
    return (await scripts()) - before;
  }

  test('ten that wait for two seconds ask next to nothing', async () => {
    const keyPrefix = uniquePrefix();
    const [locks, other] = [await place.open({ keyPrefix }), await place.open({ keyPrefix })];
    const held = await locks.lock('k');
    const before = await scripts();
    const waiting = Array.from({ length: 10 }, (_, i) => (i % 2 ? locks : other).lock('k', forever));
    await areWaiting(place.redis, keyPrefix, 'k', 10);
    // Who begins to hear looks once more.
    await until(async () => (await scripts()) >= before + 20, { what: 'each has looked twice' });
    expect(await scriptsDuring(() => sleep(2000))).toBeLessThanOrEqual(10);
    await held.release();
    await Promise.all(waiting.map((each) => each.then((lock) => lock.release())));
  });

  test('200 that get it one after the other ask a few times each', async () => {
    const keyPrefix = uniquePrefix();
    const locks = await place.open({ keyPrefix });
    const asked = await scriptsDuring(() => Promise.all(Array.from({ length: 200 }, () => locks.withLock('k', () => {}))));
    expect(asked).toBeLessThanOrEqual(200 * 6);
  });

  test('who waits for a lease that is too short to be held does not flood the server', async () => {
    const locks = await place.open();
    const asked = await scriptsDuring(() => locks.lock('k', { ttlSeconds: 0.002, waitMs: 1000 }));
    expect(asked).toBeLessThanOrEqual(100);
  });

  test('who waits when its backplane is closed gets no lock any more that others wait for', async () => {
    const keyPrefix = uniquePrefix();
    const [locks, closing] = [await place.open({ keyPrefix }), await place.open({ keyPrefix })];
    const held = await locks.lock('k');
    const waiting = outcomeOf(closing.lock('k', forever));
    await areWaiting(place.redis, keyPrefix, 'k', 1);
    const closed = closing.close();
    await held.release();
    const next = await locks.lock('k', { waitMs: 5000 });
    expect([(await waiting).code, next === null]).toEqual(['E_CLOSED', false]);
    await closed;
  });

  test.each(['before', 'after'])('a process that cannot be called for a moment %s the release gets it soon all the same, in order', async (when) => {
    const keyPrefix = uniquePrefix();
    const [locks, other] = [await place.open({ keyPrefix }), await place.open({ keyPrefix })];
    const held = await locks.lock('k');
    const order = [];
    const waiting = Array.from({ length: 5 }, (_, i) => other.withLock('k', () => order.push(i)));
    await areWaiting(place.redis, keyPrefix, 'k', 5);
    const begun = performance.now();
    const cut = () => place.redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    if (when === 'before') await cut();
    expect(await held.release()).toBe(true);
    if (when === 'after') await cut();
    await Promise.all(waiting);
    expect(order).toEqual([0, 1, 2, 3, 4]);
    expect(performance.now() - begun).toBeLessThan(2000 + LATE_MS);
  });

  test('many that end their waiting leave no key and no place', async () => {
    const keyPrefix = uniquePrefix();
    const locks = await place.open({ keyPrefix });
    await locks.acquireLock('k', 60);
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => locks.lock('k', { waitMs: 10 + i })));
    expect(answers.every((answer) => answer === null)).toBe(true);
    // Who gives up does not wait until the server has heard of it.
    await areWaiting(place.redis, keyPrefix, 'k', 0);
  });

  test('a key that another has deleted is found in the time of a look', async () => {
    const keyPrefix = uniquePrefix();
    const locks = await place.open({ keyPrefix });
    await place.redis.command('SET', `${keyPrefix}lock:k`, 'theirs', 'EX', '600');
    const waiting = locks.lock('k', forever);
    await areWaiting(place.redis, keyPrefix, 'k', 1);
    await place.redis.command('DEL', `${keyPrefix}lock:k`);
    const lock = await until(() => Promise.race([waiting, sleep(50, null)]));
    expect(await lock.release()).toBe(true);
  });
});
