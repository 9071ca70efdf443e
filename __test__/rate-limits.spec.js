'use strict';

const { until } = require('./support');
const { PLACES } = require('./support/places');
const { dice } = require('./support/random');

const ALGORITHMS = ['fixed-window', 'sliding-window', 'token-bucket'];
/** How long after one request of one it counts, in windows: the limit is 5 in `one`. */
const SPANS = { 'fixed-window': 1, 'sliding-window': 2, 'token-bucket': 1 / 5 };
const HOUR = 3600;
/** Two clocks that are both cut to whole milliseconds. */
const TICK_MS = 2;
/** What the machine may add before a moment that was promised is used. */
const LATE_MS = 100;

describe.each(PLACES)('rate limits on %s', (where, start) => {
  let place;
  let limits;
  let keys = 0;

  beforeAll(async () => {
    place = await start();
    limits = await place.open();
  });

  afterAll(() => place.end());

  const newKey = () => `k${(keys += 1)}`;

  async function now() {
    if (place.redis === null) return Date.now();
    const [seconds, micros] = await place.redis.command('TIME');
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }

  /** An answer, with the store's time before and after it. */
  async function timed(...args) {
    const before = await now();
    const answer = await limits.checkRateLimit(...args);
    return { before, answer, after: await now() };
  }

  test('a fixed window counts as far as limits go', async () => {
    const key = newKey();
    const costs = [8000, 190, 1, 1, 1, 2 ** 31];
    const answers = [];
    for (const cost of costs) answers.push(await limits.checkRateLimit(key, 2 ** 32, HOUR, { cost }));
    const counts = costs.map((_, i) => costs.slice(0, i + 1).reduce((sum, cost) => sum + cost));
    expect(answers.map(({ allowed, count, remaining }) => [allowed, count, remaining])).toEqual(
      counts.map((count) => [true, count, 2 ** 32 - count])
    );
    for (const { resetAt } of answers) expect(Math.abs(resetAt - answers[0].resetAt)).toBeLessThanOrEqual(TICK_MS);
  });

  describe.each(ALGORITHMS)('%s', (algorithm) => {
    const check = (key, max, seconds, options) => limits.checkRateLimit(key, max, seconds, { algorithm, ...options });
    const exhaust = async (key, max, seconds, times = max) => {
      for (let i = 0; i < times; i += 1) expect(await check(key, max, seconds)).toMatchObject({ allowed: true });
    };

    test('answers everything that it promises', async () => {
      const key = newKey();
      const { before, answer, after } = await timed(key, 5, 60, { algorithm });
      expect(answer).toStrictEqual({
        allowed: true, remaining: 4, resetAt: expect.any(Number), count: 1, limit: 5, retryAfterMs: 0, source: where,
      });
      const span = 60_000 * SPANS[algorithm];
      expect(Number.isInteger(answer.resetAt)).toBe(true);
      expect(answer.resetAt).toBeGreaterThanOrEqual(before + span - TICK_MS);
      expect(answer.resetAt).toBeLessThanOrEqual(after + span + TICK_MS);
      await exhaust(key, 5, 60, 4);
      const denied = await check(key, 5, 60);
      expect(denied).toStrictEqual({
        allowed: false, remaining: 0, resetAt: expect.any(Number), count: 5, limit: 5, retryAfterMs: expect.any(Number), source: where,
      });
      expect(Number.isInteger(denied.retryAfterMs)).toBe(true);
      expect(denied.retryAfterMs).toBeGreaterThan(0);
    });

    test('the window is a minute unless it is told', async () => {
      const { before, answer, after } = await timed(newKey(), 5, undefined, { algorithm });
      const span = 60_000 * SPANS[algorithm];
      expect(answer.resetAt).toBeGreaterThanOrEqual(before + span - TICK_MS);
      expect(answer.resetAt).toBeLessThanOrEqual(after + span + TICK_MS);
    });

    test('of 1,000 parallel calls exactly the limit goes through', async () => {
      const key = newKey();
      const answers = await Promise.all(Array.from({ length: 1000 }, () => check(key, 137, HOUR)));
      const allowed = answers.filter((answer) => answer.allowed);
      expect(allowed.length).toBe(137);
      expect(new Set(allowed.map(({ count }) => count)).size).toBe(137);
      expect(answers.filter((answer) => !answer.allowed).every(({ remaining, count }) => remaining === 0 && count === 137)).toBe(true);
    });

    test('of 1,000 parallel calls with a cost as many go through as fit', async () => {
      const key = newKey();
      const answers = await Promise.all(Array.from({ length: 1000 }, () => check(key, 100, HOUR, { cost: 3 })));
      expect(answers.filter((answer) => answer.allowed).length).toBe(33);
      expect(answers.at(-1)).toMatchObject({ allowed: false, remaining: 1, count: 99 });
      expect(await check(key, 100, HOUR)).toMatchObject({ allowed: true, remaining: 0, count: 100 });
    });

    test('a cost is counted as a whole or not at all', async () => {
      const key = newKey();
      expect(await check(key, 10, HOUR, { cost: 4 })).toMatchObject({ allowed: true, remaining: 6, count: 4 });
      expect(await check(key, 10, HOUR, { cost: 7 })).toMatchObject({ allowed: false, remaining: 6, count: 4 });
      expect(await check(key, 10, HOUR, { cost: 11 })).toMatchObject({ allowed: false, remaining: 6, count: 4 });
      expect(await check(key, 10, HOUR, { cost: 6 })).toMatchObject({ allowed: true, remaining: 0, count: 10 });
    });

    test('case 49: a cost above the limit is denied, for a window, and counts nothing', async () => {
      const key = newKey();
      const { before, answer, after } = await timed(key, 10, HOUR, { algorithm, cost: 11 });
      expect(answer).toMatchObject({ allowed: false, remaining: 10, count: 0, limit: 10, retryAfterMs: HOUR * 1000, source: where });
      expect(answer.resetAt).toBeGreaterThanOrEqual(before - TICK_MS);
      expect(answer.resetAt).toBeLessThanOrEqual(after + TICK_MS);
      expect(await check(key, 10, HOUR, { cost: 10 })).toMatchObject({ allowed: true, remaining: 0, count: 10 });
      expect(await check(key, 10, HOUR, { cost: Number.MAX_SAFE_INTEGER })).toMatchObject({ allowed: false, count: 10 });
    });

    test('what an answer says of itself agrees, whatever is asked', async () => {
      const { below } = dice(49);
      for (let round = 0; round < 20; round += 1) {
        const key = newKey();
        const max = 1 + below(20);
        for (let i = 0; i < 30; i += 1) {
          const cost = 1 + below(4);
          const { before, answer } = await timed(key, max, HOUR, { algorithm, cost });
          const { allowed, remaining, count, limit, retryAfterMs, resetAt } = answer;
          expect([limit, count + remaining, retryAfterMs === 0]).toEqual([max, max, allowed]);
          expect(remaining).toBeGreaterThanOrEqual(0);
          expect(allowed || remaining < cost).toBe(true);
          if (count > 0) expect(resetAt).toBeGreaterThan(before);
        }
      }
    });

    test('lets a request through when it said, neither before nor later, and whatever is denied meanwhile', async () => {
      const key = newKey();
      await exhaust(key, 3, 0.3);
      const denied = await timed(key, 3, 0.3, { algorithm });
      expect(denied.answer.allowed).toBe(false);
      const late = [];
      const { retryAfterMs } = denied.answer;
      const allowed = await until(async () => {
        const next = await timed(key, 3, 0.3, { algorithm });
        if (!next.answer.allowed && next.before > denied.after + retryAfterMs + TICK_MS) late.push(next);
        return next.answer.allowed && next;
      }, { everyMs: 0 });
      expect(late).toEqual([]);
      expect(allowed.after).toBeGreaterThanOrEqual(denied.before + retryAfterMs - TICK_MS);
      expect(allowed.after).toBeLessThanOrEqual(denied.after + retryAfterMs + LATE_MS);
    });

    test('of a limit that is denied, there is something to wait for', async () => {
      const key = newKey();
      const wrong = [];
      let windows = 0;
      await until(async () => {
        const answer = await check(key, 1, 0.02);
        windows += answer.allowed ? 1 : 0;
        if (answer.allowed !== (answer.retryAfterMs === 0)) wrong.push(answer);
        return windows > 30;
      }, { everyMs: 0 });
      expect(wrong.slice(0, 3)).toEqual([]);
    });

    test('an answer is the caller\'s own', async () => {
      const key = newKey();
      for (let i = 0; i < 20; i += 1) {
        const answer = await check(key, 1, HOUR);
        expect(answer).toMatchObject({ allowed: i === 0, remaining: 0, count: 1, limit: 1, source: where });
        Object.assign(answer, { allowed: true, remaining: 99, count: 0, limit: 99, retryAfterMs: 0, resetAt: 0, source: 'changed' });
        delete answer.allowed;
      }
    });

    test('a quota that is large over a long time is kept too', async () => {
      const key = newKey();
      let allowed = 0;
      for (let i = 0; i < 250; i += 1) {
        const answer = await check(key, 100e9, 30 * 24 * HOUR, { cost: 1e9 });
        allowed += answer.allowed ? 1 : 0;
      }
      expect(allowed).toBe(100);
    });

    test('the largest limit over the longest window is kept too', async () => {
      const key = newKey();
      const largest = { cost: Number.MAX_SAFE_INTEGER };
      const answers = [];
      for (let i = 0; i < 3; i += 1) answers.push(await check(key, Number.MAX_SAFE_INTEGER, 10 * 365 * 24 * HOUR, largest));
      expect(answers.map(({ allowed }) => allowed)).toEqual([true, false, false]);
    });

    test('the others do not count with it', async () => {
      const key = newKey();
      await exhaust(key, 1, HOUR);
      expect(await check(key, 1, HOUR)).toMatchObject({ allowed: false });
      for (const other of ALGORITHMS.filter((name) => name !== algorithm)) {
        expect(await limits.checkRateLimit(key, 1, HOUR, { algorithm: other })).toMatchObject({ allowed: true, count: 1 });
      }
    });
  });

  test('fixed windows end on time under constant traffic, each with the limit and no more', async () => {
    const key = newKey();
    const windows = new Map();
    const late = [];
    await until(async () => {
      const { before, answer, after } = await timed(key, 4, 0.3);
      const near = [...windows.keys()].find((end) => Math.abs(end - answer.resetAt) <= TICK_MS) ?? answer.resetAt;
      const seen = windows.get(near) ?? { allowed: 0, ends: new Set() };
      windows.set(near, seen);
      seen.allowed += answer.allowed ? 1 : 0;
      seen.ends.add(answer.resetAt);
      if (before > answer.resetAt + TICK_MS || after + 300 < answer.resetAt - TICK_MS) late.push({ before, answer, after });
      return windows.size > 4;
    }, { everyMs: 0 });
    const whole = [...windows.values()].slice(0, -1);
    expect(late).toEqual([]);
    expect(whole.map(({ allowed }) => allowed)).toEqual([4, 4, 4, 4]);
    const ends = where === 'redis' ? 1 : 1 + TICK_MS;
    expect(Math.max(...whole.map((seen) => seen.ends.size))).toBeLessThanOrEqual(ends);
  });

  test('a bucket gives under constant traffic what it holds and what flows in', async () => {
    const key = newKey();
    const first = await timed(key, 5, 0.25, { algorithm: 'token-bucket' });
    let allowed = 1;
    const last = await until(async () => {
      const next = await timed(key, 5, 0.25, { algorithm: 'token-bucket' });
      allowed += next.answer.allowed ? 1 : 0;
      return next.after - first.before > 1000 && next;
    }, { everyMs: 0 });
    expect(allowed).toBeLessThanOrEqual(5 + Math.floor((last.after - first.before + TICK_MS) / 50));
    expect(allowed).toBeGreaterThanOrEqual(4 + Math.floor((last.before - first.after - TICK_MS) / 50));
  });

  test('a sliding window never lets two limits through at an edge', async () => {
    const key = newKey();
    const allowed = [];
    const begun = performance.now();
    await until(async () => {
      const { before, answer } = await timed(key, 10, 0.2, { algorithm: 'sliding-window' });
      if (answer.allowed) allowed.push(before);
      return performance.now() - begun > 1000;
    }, { everyMs: 0 });
    // From the moment that the first window is full, the rate is that of the limit, within one window's wobble.
    const span = allowed.at(-1) - allowed[0];
    expect(allowed.length).toBeLessThanOrEqual(10 * (1 + Math.ceil(span / 200)));
    expect(allowed.length).toBeGreaterThanOrEqual(10 * Math.floor(span / 200) - 10);
  });
});
