'use strict';

const { startRedis, uniquePrefix } = require('./support');
const { CriticalSections } = require('./support/critical-sections');
const { resultOf } = require('./support/program');

/** 60 shows what the tests are to show; fewer keep the suite fast. */
const SECONDS = Number(process.env.LOCKS_CHAOS_SECONDS || 20);
const BROKEN_SECONDS = 8;
/** How long processes may take to begin and to end; and, if they do not, to be killed and reported. */
const AROUND_MS = 40_000;
const REPORT_MS = 5_000;
const KEYS = Array.from({ length: 10 }, (_, i) => `k${i}`);

describe('8 processes with 16 tasks each that contend for 10 locks', () => {
  let redis;

  beforeAll(async () => {
    redis = await startRedis();
  });

  afterAll(() => redis.stop());

  function contend(seconds, options) {
    const argument = {
      port: redis.port, keyPrefix: uniquePrefix(), keys: KEYS, workers: 8, tasks: 16, longestTtlMs: 2000, seed: Date.now(),
      seconds, overstaysOneIn: 50, release: 'own', ...options,
    };
    return resultOf('locks-chaos-conductor.js', argument, { timeoutMs: seconds * 1000 + AROUND_MS });
  }

  test('never hold one together, while they are stopped, killed and cut off', async () => {
    const { violations, gaps, ...counts } = await contend(SECONDS);
    expect(violations).toEqual([]);
    expect(gaps.filter(({ excessMs }) => excessMs > 0)).toEqual([]);
    // All of this has been put to the test.
    for (const what of ['stops', 'kills', 'drops', 'denied', 'aborted', 'refused']) expect(counts[what]).toBeGreaterThan(0);
    expect(Object.keys(counts.acquiredBy).sort()).toEqual(['acquireLock', 'lock', 'withLock']);
    for (const key of KEYS) expect(counts.acquiredOf[key]).toBeGreaterThan(SECONDS);
  }, SECONDS * 1000 + AROUND_MS + REPORT_MS);

  test('are found out when a late release frees the lock of another', async () => {
    const { violations } = await contend(BROKEN_SECONDS, { overstaysOneIn: 2, release: 'anybodys' });
    expect(violations).toContainEqual(expect.stringContaining('were both held'));
  }, BROKEN_SECONDS * 1000 + AROUND_MS + REPORT_MS);
});

describe('the check of critical sections', () => {
  const MS = 1000;

  /** An attempt, at ms after it all began; each look as `[ms, isHeld]` takes 2 µs. */
  function attempt(log, { id, worker = id, key = 'k', ttl = 1000, asked = 0, fence, leaseEnd = null, looks }) {
    log.asked({ id, worker, how: 'lock', key, ttlMs: ttl, asked: asked * MS });
    for (const [ms, isHeld] of looks) {
      log.looked({ id, fence, since: ms * MS - 1, at: ms * MS + 1, isHeld, leaseEnd: leaseEnd && leaseEnd * MS });
    }
  }

  function violationsOf(...attempts) {
    const log = new CriticalSections();
    for (const each of attempts) attempt(log, each);
    return log.violations();
  }

  test('finds nothing wrong with sections that follow each other, or are of different locks', () => {
    const violations = violationsOf(
      { id: 'a', fence: 1, leaseEnd: 40, looks: [[10, true], [30, true], [50, false]] },
      { id: 'b', fence: 2, asked: 20, looks: [[31, true], [60, true]] },
      { id: 'c', fence: 1, key: 'other', looks: [[10, true], [60, true]] },
      { id: 'd', fence: 0, looks: [[61, true], [70, true]] }
    );
    expect(violations).toEqual([]);
  });

  test('finds two holders at once, also when one of them has no fence', () => {
    const [first, second] = violationsOf(
      { id: 'a', fence: 1, looks: [[10, true], [30, true]] },
      { id: 'b', fence: 2, looks: [[20, true], [40, true]] },
      { id: 'c', fence: 0, looks: [[35, true], [50, true]] }
    );
    expect(first).toMatch(/^k: lock b .* and k: lock a .* were both held for 9998 µs/);
    expect(second).toMatch(/^k: lock c .* and k: lock b .* were both held/);
  });

  test('does not take a holder whose signal has aborted for one', () => {
    expect(violationsOf(
      { id: 'a', fence: 1, looks: [[10, true], [30, false]] },
      { id: 'b', fence: 2, looks: [[20, true], [40, true]] }
    )).toEqual([]);
  });

  test.each([
    ['smaller', 1, /fence 1\) comes after .*fence 2\)/],
    ['the same', 2, /fence 2\) comes after .*fence 2\)/],
  ])('finds a later fence that is %s', (_what, fence, found) => {
    const [violation] = violationsOf(
      { id: 'a', fence: 2, looks: [[10, true]] },
      { id: 'b', asked: 11, fence, looks: [[20, true]] }
    );
    expect(violation).toMatch(found);
  });

  test('finds a fence that is given twice, whenever it was asked for', () => {
    expect(violationsOf(
      { id: 'a', fence: 2, looks: [[10, true]] },
      { id: 'b', fence: 2, looks: [[20, true]] }
    )).toEqual([expect.stringContaining('is given twice')]);
  });

  test('finds a signal that does not abort after the lease', () => {
    const held = { id: 'a', fence: 1, leaseEnd: 40 };
    expect(violationsOf({ ...held, looks: [[10, true], [40, true]] })).toEqual([]);
    expect(violationsOf({ ...held, looks: [[10, true], [41, true]] })).toEqual([expect.stringContaining('999 µs after its lease')]);
  });

  test('finds a signal that does not abort after a stop longer than the lease', () => {
    const violations = (ttl, lastLook) => {
      const log = new CriticalSections();
      attempt(log, { id: 'a', worker: 'w', fence: 1, ttl, looks: [[10, true], lastLook] });
      log.stopped('w', 20 * MS, 2000 * MS);
      return log.violations();
    };
    expect(violations(1000, [2001, false])).toEqual([]);
    expect(violations(5000, [2001, true])).toEqual([]);
    expect(violations(1000, [2001, true])).toEqual([expect.stringContaining('after it was stopped for longer')]);
  });

  test('finds an old write that was accepted after a newer one', () => {
    const log = new CriticalSections();
    for (const fence of [1, 2, 1, 2]) log.write('k', fence);
    log.write('other', 1);
    expect(log.counts()).toMatchObject({ written: 4, refused: 1 });
    expect(log.violations()).toEqual([]);
    log.wrote({ key: 'k', fence: 1, isAccepted: true });
    expect(log.violations()).toEqual(['k: a write with fence 1 was accepted after one with 2']);
  });

  test('finds how long nobody had a lock, and what of it is not explained', () => {
    const log = new CriticalSections(0);
    attempt(log, { id: 'a', fence: 1, looks: [[1, true], [2000, true], [2100, false]] });
    attempt(log, { id: 'b', fence: 2, asked: 1500, looks: [[9000, true]] });
    const longest = () => log.gaps(9000 * MS, 2000).map(({ ms, excessMs }) => [Math.round(ms), Math.round(excessMs)]).at(-1);
    expect(longest()).toEqual([7000, 4000]);
    log.stopped('b', 3000 * MS, 6000 * MS);
    expect(longest()).toEqual([7000, 3000]);
  });
});
