'use strict';

const { uniquePrefix, until } = require('./support');
const { NOBODY, onRedis } = require('./support/places');
const { resultOf } = require('./support/program');

const ALGORITHMS = ['fixed-window', 'sliding-window', 'token-bucket'];
const HOUR = 3600;
/** What the machine may add. */
const LATE_MS = 150;
const TICK_MS = 2;

/** Case 50: a process remembers for a second at most that a limit is exhausted. */
describe('a limit that is known to be exhausted', () => {
  let place;
  let redis;

  beforeAll(async () => {
    place = await onRedis();
    redis = place.redis;
  });

  afterAll(() => place.end());

  /** How often a limit has been asked for on Redis. */
  async function asked() {
    const calls = /cmdstat_evalsha:calls=(\d+)/.exec(await redis.command('INFO', 'commandstats'));
    return calls ? Number(calls[1]) : 0;
  }

  async function now() {
    const [seconds, micros] = await redis.command('TIME');
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }

  /** How many of `calls` asked Redis. */
  async function costOf(calls) {
    const before = await asked();
    await calls();
    return (await asked()) - before;
  }

  /** A backplane that answers checks of `key` by itself, at this moment. */
  async function knowing({ key = 'k', max = 2, seconds = HOUR, ...options } = {}, keyPrefix = uniquePrefix()) {
    const limits = await place.open({ keyPrefix });
    const check = (more) => limits.checkRateLimit(key, max, seconds, { ...options, ...more });
    await until(async () => !(await check()).allowed, { everyMs: 0, what: 'exhausted' });
    await until(async () => (await costOf(check)) === 0, { what: 'answered without Redis' });
    return { limits, check, keyPrefix, key };
  }

  /** Asked just now, so that what is known lasts for most of a second. */
  const isFresh = (check) => until(async () => (await costOf(check)) > 0, { everyMs: 0, what: 'asked again' });

  describe.each(ALGORITHMS)('%s', (algorithm) => {
    test('is answered without asking Redis, and asked again after a second', async () => {
      const { check } = await knowing({ algorithm });
      await isFresh(check);
      const begun = performance.now();
      const answers = [];
      expect(await costOf(async () => {
        for (let i = 0; i < 100; i += 1) answers.push(await check());
      })).toBe(0);
      expect(answers.every(({ allowed, source, count, limit, remaining, retryAfterMs }) =>
        !allowed && source === 'redis' && count === 2 && limit === 2 && remaining === 0 && retryAfterMs > 0)).toBe(true);
      await isFresh(check);
      expect(performance.now() - begun).toBeLessThan(1000 + LATE_MS);
    });

    test('waits for less and less', async () => {
      const { check } = await knowing({ algorithm });
      let last = Infinity;
      for (let i = 0; i < 50; i += 1) {
        const { retryAfterMs } = await check();
        expect(retryAfterMs).toBeLessThanOrEqual(last);
        last = retryAfterMs;
      }
    });

    test.each([
      ['another key', (limits) => limits.checkRateLimit('other', 2, HOUR, { algorithm })],
      ['a larger limit', (limits) => limits.checkRateLimit('k', 3, HOUR, { algorithm })],
    ])('is not taken for %s', async (_what, call) => {
      const { limits } = await knowing({ algorithm });
      expect((await call(limits)).allowed).toBe(true);
    });

    test('is not taken for the same key of another algorithm', async () => {
      const { limits } = await knowing({ algorithm });
      for (const other of ALGORITHMS.filter((name) => name !== algorithm)) {
        expect((await limits.checkRateLimit('k', 2, HOUR, { algorithm: other })).allowed).toBe(true);
      }
    });

    test('is not taken for a smaller cost', async () => {
      const limits = await place.open();
      const check = (cost) => limits.checkRateLimit('k', 10, HOUR, { algorithm, cost });
      await check(6);
      // What is left is asked for each time.
      for (let i = 0; i < 3; i += 1) expect(await costOf(() => check(5))).toBe(1);
      expect(await check(3)).toMatchObject({ allowed: true, remaining: 1 });
      expect(await check(1)).toMatchObject({ allowed: true, remaining: 0 });
    });

    test('a larger cost waits for as long as it has to', async () => {
      const { check, keyPrefix } = await knowing({ algorithm, max: 10, seconds: 1000 });
      const fresh = await place.open({ keyPrefix });
      const truth = async (cost) => (await fresh.checkRateLimit('k', 10, 1000, { algorithm, cost })).retryAfterMs;
      // Asked with the largest cost first: then nothing is known yet of the smaller one.
      for (const cost of [11, 10]) {
        const expected = await truth(cost);
        expect(Math.abs((await check({ cost })).retryAfterMs - expected)).toBeLessThan(2000);
      }
    });

    test('is never denied later than it ends', async () => {
      const limits = await place.open();
      const check = () => limits.checkRateLimit('k', 3, 0.1, { algorithm });
      const late = [];
      let due = Infinity;
      let allowed = 0;
      await until(async () => {
        const before = await now();
        const answer = await check();
        const after = await now();
        if (answer.allowed) {
          allowed += 1;
          due = Infinity;
        } else {
          if (before > due + TICK_MS) late.push({ before, due, answer });
          due = Math.min(due, after + answer.retryAfterMs);
        }
        return allowed > 30;
      }, { everyMs: 0 });
      expect(late).toEqual([]);
    });

    test('a reset by the same backplane is known at once', async () => {
      const { limits, check, key } = await knowing({ algorithm });
      for (let i = 0; i < 10; i += 1) {
        limits.resetRateLimit(key);
        const answers = await Promise.all([check(), check(), check()]);
        expect(answers.map(({ allowed }) => allowed)).toEqual([true, true, false]);
      }
    });

    test('a reset by another backplane is heard', async () => {
      const { check, keyPrefix, key } = await knowing({ algorithm });
      const other = await place.open({ keyPrefix });
      for (let i = 0; i < 2; i += 1) {
        await isFresh(check);
        await other.resetRateLimit(key);
        // Well within the second for which it would be remembered otherwise.
        await until(async () => (await check()).allowed, { everyMs: 1, timeoutMs: 500, what: 'the reset is heard' });
        await until(async () => (await costOf(check)) === 0, { what: 'exhausted again' });
      }
    });

    test('what somebody else deletes on Redis is seen after a second', async () => {
      const { check, keyPrefix } = await knowing({ algorithm });
      await redis.command('DEL', ...['fixed', 'sliding', 'bucket'].map((space) => `${keyPrefix}limit:${space}:k`));
      await until(async () => (await check()).allowed, { timeoutMs: 1000 + LATE_MS, what: 'asked again' });
    });
  });

  /** What was used a while ago counts less and less. */
  test.each(['sliding-window', 'token-bucket'])('%s: what remains is what a smaller request would get', async (algorithm) => {
    const limits = await place.open();
    const check = (cost) => limits.checkRateLimit('k', 100, 0.6, { algorithm, cost });
    const full = await check(100);
    expect(full.allowed).toBe(true);
    // In the middle of the time in which it comes back, long before all of it has.
    const halfway = full.resetAt - 300;
    let denied;
    await until(async () => {
      denied = await check(100);
      return (await now()) > halfway;
    }, { everyMs: 1 });
    const { allowed, remaining } = await check(20);
    expect([denied.allowed, allowed]).toEqual([false, true]);
    expect(Math.abs(denied.remaining - (remaining + 20))).toBeLessThan(10);
  });

  test('a reset of hostile keys is heard too', async () => {
    for (const key of ['a:\0"\\{}*\u2028', '__proto__', 'k'.repeat(1024)]) {
      const { check, keyPrefix } = await knowing({ key });
      const other = await place.open({ keyPrefix });
      await isFresh(check);
      await other.resetRateLimit(key);
      await until(async () => (await check()).allowed, { everyMs: 1, timeoutMs: 500, what: 'the reset is heard' });
    }
  });

  test('a reset under another prefix is not', async () => {
    const { check } = await knowing();
    const other = await place.open();
    await isFresh(check);
    await other.resetRateLimit('k');
    expect(await costOf(async () => {
      for (let i = 0; i < 20; i += 1) expect((await check()).allowed).toBe(false);
    })).toBe(0);
  });

  test('messages of strangers on its channel harm nothing', async () => {
    const { check, limits, keyPrefix } = await knowing();
    for (const text of ['', 'x', 'null', '{}', '[]', '5', '"other"', '"k', '\xff', '{"__proto__":1}']) {
      await redis.command('PUBLISH', `${keyPrefix}backplane:limits`, text);
    }
    await limits.publish('backplane:limits', { key: 'k' });
    expect((await check()).allowed).toBe(false);
    await until(async () => (await costOf(check)) === 0, { what: 'answered without Redis again' });
  });

  test('a reset that was missed, because the subscription was lost, is seen after a second', async () => {
    const { check, keyPrefix } = await knowing();
    const other = await place.open({ keyPrefix });
    await isFresh(check);
    await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await other.resetRateLimit('k');
    await until(async () => (await check()).allowed, { timeoutMs: 1000 + LATE_MS, what: 'asked again' });
    await check();
    await until(async () => (await costOf(check)) === 0, { what: 'answered without Redis again' });
    await isFresh(check);
    await other.resetRateLimit('k');
    await until(async () => (await check()).allowed, { everyMs: 1, timeoutMs: 500, what: 'the reset is heard' });
  });

  test('very many of them are denied, each', async () => {
    const limits = await place.open();
    const names = Array.from({ length: 12_000 }, (_, i) => `k${i}`);
    for (let round = 0; round < 4; round += 1) {
      const answers = await Promise.all(names.map((name) => limits.checkRateLimit(name, 1, HOUR)));
      expect(answers.filter(({ allowed }) => allowed).length).toBe(round === 0 ? names.length : 0);
    }
  });

  test.each([
    ['denied', [true, false, false]], ['closed', [true, false]], ['closedAtOnce', [true, false]], ['reset', [true, false, true]],
    ['resetLast', 'undefined'], ['checkLast', true],
  ])('a process that ends with it ends by itself: %s', async (use, result) => {
    expect(await resultOf('rate-limits-idle.js', { url: redis.url, keyPrefix: uniquePrefix(), use })).toEqual(result);
    expect(await resultOf('rate-limits-idle.js', { url: NOBODY, keyPrefix: uniquePrefix(), use })).toEqual(result);
  });
});
