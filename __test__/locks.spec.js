'use strict';

const { inspect } = require('node:util');
const { setTimeout: sleep } = require('node:timers/promises');
const { uniquePrefix, until } = require('./support');
const { outcomeOf } = require('./support/deferred');
const { ASYNC_DISPOSE } = require('./support/locks');
const { PLACES, onRedis, usePlace } = require('./support/places');

/** What a noisy machine may add. */
const LATE_MS = 500;
const KEYS = [
  'a', 'A', ' a', 'a ', 'a:b', 'a:b:c', '*', '?', '[a]', 'a*', '{', '}', '{}', '{a}', '{a}b', '{b}a', 'a{', 'a}b{', '{}{a}', '}{', 'a\0', 'a\0b', '\0', '\n', '\r\n$1\r\n',
  'é', 'e\u0301', '😀', '\u{10FFFF}', '\u202e', '__proto__', 'constructor', 'toString', '0', '-0', '%s', '\\', '"', "'",
  'k'.repeat(64 * 1024), `${'k'.repeat(64 * 1024 - 1)}l`, '😀'.repeat(16 * 1024), `{${'k'.repeat(64 * 1024 - 1)}`,
];

describe.each(PLACES)('locks on %s', (where, start) => {
  let place;
  let locks;
  /** On Redis another one; there is none that shares its memory. */
  let other;
  let keys = 0;

  beforeAll(async () => {
    place = await start();
    const keyPrefix = uniquePrefix();
    locks = await place.open({ keyPrefix });
    other = where === 'redis' ? await place.open({ keyPrefix }) : locks;
  });

  afterAll(() => place.end());

  const newKey = () => `k${(keys += 1)}`;
  const isFree = async (key) => {
    const taken = await other.lock(key);
    await taken?.release();
    return taken !== null;
  };

  test('a lock that is taken is taken once, until it is released', async () => {
    const key = newKey();
    expect(await locks.acquireLock(key)).toBe(true);
    expect([await locks.acquireLock(key), await other.acquireLock(key)]).toEqual([false, false]);
    expect([await locks.lock(key), await other.lock(key)]).toEqual([null, null]);
    expect(await locks.releaseLock(key)).toBeUndefined();
    expect(await other.acquireLock(key, 5)).toBe(true);
    expect(await locks.acquireLock(key)).toBe(false);
    expect(await other.releaseLock(key)).toBeUndefined();
    expect(await isFree(key)).toBe(true);
  });

  test('of 200 who take it at once one gets it', async () => {
    const key = newKey();
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => (i % 2 ? locks : other).acquireLock(key)));
    expect(answers.filter((answer) => answer === true).length).toBe(1);
    expect(answers.filter((answer) => answer === false).length).toBe(199);
  });

  test('releasing what was never taken, or is released, does nothing', async () => {
    const key = newKey();
    expect(await locks.releaseLock(key)).toBeUndefined();
    await locks.acquireLock(key);
    await locks.releaseLock(key);
    const held = await other.lock(key);
    expect(await locks.releaseLock(key)).toBeUndefined();
    expect(await isFree(key)).toBe(false);
    expect(await held.release()).toBe(true);
  });

  test.each([0.2, 0.0505])('a lock ends by itself after %d s, neither before nor much later', async (seconds) => {
    const key = newKey();
    const begun = performance.now();
    expect(await locks.acquireLock(key, seconds)).toBe(true);
    const granted = performance.now();
    await until(() => other.acquireLock(key));
    expect(performance.now() - begun).toBeGreaterThanOrEqual(seconds * 1000 - 2);
    expect(performance.now() - granted).toBeLessThan(seconds * 1000 + LATE_MS);
  });

  test('a late release frees nobody: neither another\'s nor its own later handle', async () => {
    const key = newKey();
    await locks.acquireLock(key, 0.1);
    const late = await locks.lock(newKey(), { ttlSeconds: 0.1 });
    const next = await other.lock(key, { waitMs: 5000 });
    const nextOfLate = await other.lock(late.key, { waitMs: 5000 });
    await locks.releaseLock(key);
    expect([await late.release(), await late.extend()]).toEqual([false, false]);
    expect([await isFree(key), await isFree(late.key)]).toEqual([false, false]);
    expect([await next.release(), await nextOfLate.release()]).toEqual([true, true]);
  });

  test('a late release does not hinder the one that is taken after', async () => {
    const key = newKey();
    await locks.acquireLock(key, 0.05);
    await until(() => locks.acquireLock(key, 30));
    await locks.releaseLock(key);
    expect(await isFree(key)).toBe(true);
  });

  test('releaseLock releases what acquireLock took, and no Lock', async () => {
    const key = newKey();
    const held = await locks.lock(key);
    await locks.releaseLock(key);
    expect(await isFree(key)).toBe(false);
    await locks.withLock(newKey(), async (lock) => {
      await locks.releaseLock(lock.key);
      expect(await isFree(lock.key)).toBe(false);
    });
    expect(await held.release()).toBe(true);
  });

  test('keys are data: each is a lock of its own', async () => {
    const held = [];
    for (const key of KEYS) held.push(await locks.lock(key));
    expect(held.map((lock) => lock?.key)).toEqual(KEYS);
    for (const [i, lock] of held.entries()) {
      expect(await isFree(KEYS[i])).toBe(false);
      expect(await lock.release()).toBe(true);
      expect(await isFree(KEYS[i])).toBe(true);
      if (held[i + 1]) expect(await isFree(KEYS[i + 1])).toBe(false);
    }
  });

  test('those who wait get the keys that they wait for', async () => {
    const held = await Promise.all(KEYS.map((key) => locks.lock(key)));
    const waiting = KEYS.map((key) => other.lock(key, { waitMs: 20_000 }));
    for (const lock of [...held].reverse()) expect(await lock.release()).toBe(true);
    const got = await Promise.all(waiting);
    expect(got.map((lock) => lock?.key)).toEqual(KEYS);
    for (const lock of got) expect(await lock.release()).toBe(true);
  });

  test('a Lock is its key, token and fence, and shows nothing else', async () => {
    const key = newKey();
    const lock = await locks.lock(key);
    expect(lock.token).toMatch(/^[0-9a-f]{32}$/);
    expect(Number.isSafeInteger(lock.fence) && lock.fence > 0).toBe(true);
    expect(JSON.parse(JSON.stringify(lock))).toEqual({ key, token: lock.token, fence: lock.fence });
    expect(Object.keys(lock).sort()).toEqual(['fence', 'key', 'token']);
    expect(lock.signal.aborted).toBe(false);
    expect(lock.signal).toBe(lock.signal);
    for (const text of [inspect(lock), inspect(lock, { depth: 9, showHidden: true })]) expect(text).not.toMatch(/core|queue|handle|native|redis:/i);
    expect(inspect(lock.signal)).toMatch(/aborted: false/);
    await lock.release();
  });

  test('each acquisition has a token of its own and a greater fence', async () => {
    const key = newKey();
    const seen = [];
    for (let i = 0; i < 40; i += 1) {
      const lock = await (i % 2 ? other : locks).lock(key);
      seen.push(lock);
      await lock.release();
    }
    expect(new Set(seen.map(({ token }) => token)).size).toBe(40);
    for (let i = 1; i < 40; i += 1) expect(seen[i].fence).toBeGreaterThan(seen[i - 1].fence);
  });

  test('a lease can be made longer', async () => {
    const lock = await locks.lock(newKey(), { ttlSeconds: 0.3 });
    expect(await lock.extend(30)).toBe(true);
    await sleep(500);
    expect([await isFree(lock.key), lock.signal.aborted]).toEqual([false, false]);
    expect(await lock.release()).toBe(true);
  });

  test('a lease can be made shorter', async () => {
    const lock = await locks.lock(newKey(), { ttlSeconds: 30 });
    expect(await lock.extend(0.1)).toBe(true);
    await until(() => isFree(lock.key), { timeoutMs: 100 + LATE_MS });
    expect(lock.signal.aborted).toBe(true);
  });

  test('extend goes by the time that the lock was taken for, again and again', async () => {
    const lock = await locks.lock(newKey(), { ttlSeconds: 0.5 });
    for (let i = 0; i < 6; i += 1) {
      await sleep(150);
      expect(await lock.extend()).toBe(true);
    }
    expect([await isFree(lock.key), lock.signal.aborted]).toEqual([false, false]);
  });

  test('what has ended or is released can be neither extended nor released', async () => {
    const ended = await locks.lock(newKey(), { ttlSeconds: 0.05 });
    await until(() => isFree(ended.key));
    expect([await ended.extend(30), await ended.release(), await isFree(ended.key)]).toEqual([false, false, true]);
    const released = await locks.lock(newKey());
    expect(await Promise.all([released.release(), released.release(), released.extend(30)])).toEqual([true, false, false]);
    expect(await isFree(released.key)).toBe(true);
  });

  test('a lock can be disposed of, also one that is gone', async () => {
    const lock = await locks.lock(newKey());
    for (let i = 0; i < 2; i += 1) expect(await lock[ASYNC_DISPOSE]()).toBeUndefined();
    expect([await isFree(lock.key), lock.signal.aborted]).toEqual([true, false]);
  });

  test.each([['options', [{ ttlSeconds: 5 }]], ['undefined', [undefined]], ['nothing', []]])('withLock answers what its callback does; given %s', async (_what, options) => {
    const key = newKey();
    const seen = [];
    const run = (callback) => locks.withLock(key, ...options, callback);
    expect(await run(async (lock) => { seen.push(lock.key, await isFree(key)); return { a: 1 }; })).toEqual({ a: 1 });
    expect(await run(() => 5)).toBe(5);
    expect(await run(() => {})).toBeUndefined();
    expect(seen).toEqual([key, false]);
    expect(await isFree(key)).toBe(true);
  });

  test('withLock passes on whatever is thrown, and releases', async () => {
    const key = newKey();
    const provoked = new Error('provoked by a test');
    for (const thrown of [provoked, undefined, null, 0, 'text']) {
      const outcomes = [
        locks.withLock(key, () => { throw thrown; }),
        locks.withLock(key, {}, async () => { throw thrown; }),
      ];
      for (const outcome of await Promise.allSettled(outcomes)) expect(outcome).toEqual({ status: 'rejected', reason: thrown });
    }
    expect(await isFree(key)).toBe(true);
  });

  test('withLock whose callback has released the lock itself hurts nobody', async () => {
    const key = newKey();
    let next;
    expect(await locks.withLock(key, async (lock) => {
      expect(await lock.release()).toBe(true);
      next = await other.lock(key);
      return 'done';
    })).toBe('done');
    expect(await isFree(key)).toBe(false);
    expect(await next.release()).toBe(true);
  });

  test('withLock of a lock that does not become free rejects, and runs nothing', async () => {
    const key = newKey();
    const callback = jest.fn();
    await locks.acquireLock(key);
    for (const waitMs of [0, 50]) expect((await outcomeOf(other.withLock(key, { waitMs }, callback))).code).toBe('E_NOT_LOCKED');
    expect(callback).not.toHaveBeenCalled();
  });

  test('the callbacks of 50 parallel calls run one after the other', async () => {
    const key = newKey();
    const order = [];
    let inside = 0;
    let fence = 0;
    await Promise.all(Array.from({ length: 50 }, (_, i) => (i % 2 ? other : locks).withLock(key, async (lock) => {
      inside += 1;
      expect([inside, lock.fence > fence]).toEqual([1, true]);
      fence = lock.fence;
      await new Promise(setImmediate);
      inside -= 1;
      order.push(i);
    })));
    expect(order.length).toBe(50);
    const mine = order.filter((i) => i % 2 === 0);
    expect(mine).toEqual([...mine].sort((a, b) => a - b));
  });

  test('withLock is renewed as long as it runs', async () => {
    const key = newKey();
    await locks.withLock(key, { ttlSeconds: 0.3 }, async ({ signal }) => {
      const begun = performance.now();
      while (performance.now() - begun < 1500) {
        expect([await isFree(key), signal.aborted]).toEqual([false, false]);
        await sleep(10);
      }
    });
    expect(await isFree(key)).toBe(true);
  });
});

describe('locks on the wire', () => {
  const place = usePlace(onRedis);
  let keyPrefix;
  let locks;
  let other;

  beforeEach(async () => {
    keyPrefix = uniquePrefix();
    locks = await place.open({ keyPrefix });
    other = await place.open({ keyPrefix });
  });

  const command = (name, key, ...rest) => place.redis.command(name, `${keyPrefix}${key}`, ...rest);

  test('lock:<key> is a text, the token, with the lease for its TTL', async () => {
    const lock = await locks.lock('k', { ttlSeconds: 20 });
    expect([await command('TYPE', 'lock:k'), await command('GET', 'lock:k')]).toEqual(['string', lock.token]);
    const left = await command('PTTL', 'lock:k');
    expect(left).toBeLessThanOrEqual(20_000);
    expect(left).toBeGreaterThan(15_000);
    await lock.extend(50);
    expect(await command('PTTL', 'lock:k')).toBeGreaterThan(45_000);
    await lock.release();
    expect(await command('EXISTS', 'lock:k')).toBe(0);
  });

  test('a lease is 30 s unless it is told, of each function', async () => {
    await locks.acquireLock('a');
    await locks.lock('b');
    await locks.withLock('c', async () => {
      for (const key of 'abc') {
        const left = await command('PTTL', `lock:${key}`);
        expect(left).toBeLessThanOrEqual(30_000);
        expect(left).toBeGreaterThan(25_000);
      }
    });
  });

  test('the longest lease is kept as it is', async () => {
    const seconds = 10 * 365 * 24 * 3600;
    const lock = await locks.lock('k', { ttlSeconds: seconds });
    expect(await command('PTTL', 'lock:k')).toBeGreaterThan(seconds * 1000 - 10_000);
    expect([lock.signal.aborted, await lock.extend(), await lock.release()]).toEqual([false, true, true]);
  });

  test('a lock of one of the modules that this one replaces excludes us, until it is deleted or ends', async () => {
    expect(await command('SET', 'lock:k', 'theirs', 'NX', 'EX', '30')).toBe('OK');
    expect([await locks.acquireLock('k'), await locks.lock('k')]).toEqual([false, null]);
    await locks.releaseLock('k');
    expect(await command('GET', 'lock:k')).toBe('theirs');
    await command('DEL', 'lock:k');
    expect(await locks.acquireLock('k')).toBe(true);
    expect(await command('SET', 'lock:k', 'theirs', 'NX', 'EX', '30')).toBeNull();
    await command('SET', 'lock:short', 'theirs', 'NX', 'PX', '100');
    expect(await locks.lock('short', { waitMs: 5000 })).not.toBeNull();
  });

  test.each([['one without an end', 'SET', ['theirs']], ['an empty one', 'SET', ['']], ['another type', 'HSET', ['f', 'v']]])(
    'what somebody else has put there is nobody\'s to take or free: %s',
    async (_title, name, rest) => {
      await command(name, 'lock:k', ...rest);
      expect([await locks.acquireLock('k'), await locks.lock('k'), await locks.lock('k', { waitMs: 50 })]).toEqual([false, null, null]);
      await locks.releaseLock('k');
      expect(await command('EXISTS', 'lock:k')).toBe(1);
      await command('DEL', 'lock:k');
      expect(await locks.acquireLock('k')).toBe(true);
    }
  );

  test('prefixes make different locks', async () => {
    const elsewhere = await place.open();
    expect([await locks.acquireLock('k'), await elsewhere.acquireLock('k'), await other.acquireLock('k')]).toEqual([true, true, false]);
    await elsewhere.releaseLock('k');
    expect(await locks.acquireLock('k')).toBe(false);
  });

  test('nothing is left without an end', async () => {
    await locks.acquireLock('a', 5);
    const held = await locks.lock('b');
    const waiting = other.lock('b', { waitMs: 5000 });
    await until(async () => (await place.redis.command('KEYS', `${keyPrefix}lock-queue:*`)).length > 0);
    for (const key of await place.redis.command('KEYS', `${keyPrefix}*`)) expect([key, await place.redis.command('PTTL', key) > 0]).toEqual([key, true]);
    await held.release();
    await (await waiting).release();
    await locks.releaseLock('a');
    const left = await place.redis.command('KEYS', `${keyPrefix}*`);
    expect(left.filter((key) => !key.startsWith(`${keyPrefix}lock-fence:`))).toEqual([]);
  });

  test('case 48: after FLUSHALL no fence is below one that was given out, and locks are taken as before', async () => {
    let fence = 0;
    for (let i = 0; i < 20; i += 1) {
      const lock = await (i % 2 ? locks : other).lock('k');
      expect(lock.fence).toBeGreaterThan(fence);
      fence = lock.fence;
      await place.redis.command('FLUSHALL');
      expect([await lock.extend(), lock.signal.aborted, await lock.release()]).toEqual([false, true, false]);
    }
  });

  test('case 13: scripts that are forgotten have one effect each', async () => {
    const forget = () => place.redis.command('SCRIPT', 'FLUSH');
    await forget();
    const lock = await locks.lock('k');
    await forget();
    expect(await other.acquireLock('k')).toBe(false);
    await forget();
    expect(await lock.extend()).toBe(true);
    const waiting = [1, 2, 3].map(() => other.withLock('k', async () => forget()));
    await forget();
    expect(await lock.release()).toBe(true);
    expect(await Promise.all(waiting)).toEqual(['OK', 'OK', 'OK']);
  });
});
