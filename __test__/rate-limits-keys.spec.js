'use strict';

const { uniquePrefix, until } = require('./support');
const { PLACES, onRedis } = require('./support/places');

const KINDS = [['fixed-window', 'fixed'], ['sliding-window', 'sliding'], ['token-bucket', 'bucket']];
const HOUR = 3600;

const HOSTILE = [
  'a', 'a:b', 'b:c', 'a:b:c', ':', ':a', 'a:', 'fixed:a', 'limit:fixed:a', 'sliding:a', '0:a', '1:a', '2:a', '*', '?', '[a]', '[a-z]*', '\\*',
  '{a}', '{a}b', 'a{b}', '{', '{}', '\0', 'a\0', 'a\0b', ' ', 'a ', '\n', '\r\n', 'é', 'e\u0301', '😀', '\u{10ffff}', '\ufeff', '__proto__',
  'constructor', 'toString', 'then', 'null', '"a"', '-1', '%s', '"', '\\', 'k'.repeat(65_536), 'k'.repeat(65_535), 'é'.repeat(32_768),
];

describe.each(PLACES)('keys of rate limits on %s', (_where, start) => {
  let place;

  beforeAll(async () => {
    place = await start();
  });

  afterAll(() => place.end());

  describe.each(KINDS)('%s', (algorithm) => {
    const checkOf = (limits) => (key, max = 1) => limits.checkRateLimit(key, max, HOUR, { algorithm });
    const allowed = (answers) => answers.map((answer) => answer.allowed);

    test('each is a limit of its own', async () => {
      const limits = await place.open();
      const check = checkOf(limits);
      const all = () => Promise.all(HOSTILE.map((key) => check(key)));
      expect(allowed(await all())).toEqual(HOSTILE.map(() => true));
      for (let i = 0; i < 3; i += 1) expect(allowed(await all())).toEqual(HOSTILE.map(() => false));
      for (const one of ['*', '\0', 'a', '__proto__', 'k'.repeat(65_536)]) {
        await limits.resetRateLimit(one);
        expect(allowed(await all())).toEqual(HOSTILE.map((key) => key === one));
      }
    });

    test('a prefix is not a part of the key', async () => {
      const common = uniquePrefix();
      const first = await place.open({ keyPrefix: `${common}a:` });
      const second = await place.open({ keyPrefix: `${common}a` });
      expect((await checkOf(first)('b:c')).allowed).toBe(true);
      expect((await checkOf(second)(':b:c')).allowed).toBe(true);
      expect((await checkOf(second)('b:c')).allowed).toBe(true);
      expect((await checkOf(first)('b:c')).allowed).toBe(false);
    });

    test('a reset forgets what was counted, whatever was known of it', async () => {
      const limits = await place.open();
      const check = checkOf(limits);
      for (let round = 0; round < 20; round += 1) {
        expect(await check('k')).toMatchObject({ allowed: true, count: 1 });
        for (let i = 0; i < 5; i += 1) expect((await check('k')).allowed).toBe(false);
        if (round % 2) expect(await limits.resetRateLimit('k')).toBeUndefined();
        else limits.resetRateLimit('k');
      }
    });

    test('a check that is made before a reset is over when it is, and one after it is allowed', async () => {
      const limits = await place.open();
      const check = checkOf(limits);
      for (let round = 0; round < 100; round += 1) {
        const calls = [check('k'), check('k'), check('k'), limits.resetRateLimit('k'), check('k'), check('k')];
        const answers = await Promise.all(calls);
        expect(answers.map((answer) => answer?.allowed)).toEqual([true, false, false, undefined, true, false]);
        await limits.resetRateLimit('k');
      }
    });
  });

  test('a reset is of every algorithm, and of no other key', async () => {
    const limits = await place.open();
    const checks = (key) => Promise.all(KINDS.map(([algorithm]) => limits.checkRateLimit(key, 1, HOUR, { algorithm })));
    const allowed = async (key) => (await checks(key)).map((answer) => answer.allowed);
    for (const key of ['k', 'k:', 'other']) await checks(key);
    await limits.resetRateLimit('k');
    expect(await Promise.all(['k', 'k:', 'other'].map(allowed))).toEqual([[true, true, true], [false, false, false], [false, false, false]]);
    expect(await limits.resetRateLimit('never counted')).toBeUndefined();
  });

  test('the cache of the same key has nothing to do with it', async () => {
    const limits = await place.open();
    await limits.checkRateLimit('k', 1);
    expect(await limits.cacheGet('k')).toBeNull();
    await limits.cacheDeletePattern('*');
    await limits.cacheDelete('k');
    expect((await limits.checkRateLimit('k', 1)).allowed).toBe(false);
  });
});

describe('rate limits as Redis has them', () => {
  let place;
  let redis;

  beforeAll(async () => {
    place = await onRedis();
    redis = place.redis;
  });

  afterAll(() => place.end());

  describe.each(KINDS)('%s', (algorithm, space) => {
    async function opened() {
      const keyPrefix = uniquePrefix();
      const limits = await place.open({ keyPrefix });
      const nameOf = (key) => `${keyPrefix}limit:${space}:${key}`;
      const check = (key, max = 2, options = {}) => limits.checkRateLimit(key, max, HOUR, { algorithm, ...options });
      return { limits, keyPrefix, nameOf, check, left: (key) => redis.command('PTTL', nameOf(key)) };
    }

    test('the keys are as documented, and one for each limit', async () => {
      const { keyPrefix, nameOf, check } = await opened();
      const names = HOSTILE.filter((key) => key.length < 100);
      for (const key of names) await check(key);
      const stored = await redis.command('KEYS', `${keyPrefix}*`);
      expect(stored.filter((name) => name.includes(':limit:')).sort()).toEqual(names.map(nameOf).sort());
    });

    test('a key lives on for no longer than it counts, after whatever call', async () => {
      const { nameOf, check, left } = await opened();
      const outcomes = [];
      for (const cost of [1, 1, 1, 2, 3, 1]) outcomes.push((await check('k', 2, { cost })).allowed, await left('k'));
      const lives = outcomes.filter((_, i) => i % 2);
      expect(outcomes.filter((_, i) => i % 2 === 0)).toEqual([true, true, false, false, false, false]);
      expect(Math.min(...lives)).toBeGreaterThan(0);
      expect(Math.max(...lives)).toBeLessThanOrEqual(2 * HOUR * 1000);
      await check('never', 2, { cost: 3 });
      expect(await redis.command('EXISTS', nameOf('never'))).toBe(0);
    });

    // Each by another backplane: what the first knows by itself it does not ask.
    test.each([['allowed', 1, 3], ['denied', 1, 2], ['denied for its cost', 3, 2]])('a key that somebody has made to last is mortal again: %s', async (_what, cost, max) => {
      const { keyPrefix, nameOf, check, left } = await opened();
      await check('k', 2);
      await check('k', 2);
      expect(await redis.command('PERSIST', nameOf('k'))).toBe(1);
      const other = await place.open({ keyPrefix });
      await other.checkRateLimit('k', max, HOUR, { algorithm, cost });
      expect(await left('k')).toBeGreaterThan(0);
    });

    test.each([
      ['a list', ['LPUSH', 'x']], ['a hash', ['HSET', 'f', 'x']], ['a set', ['SADD', 'x']], ['a stream', ['XADD', '*', 'f', 'x']],
      ['a text', ['SET', 'text']], ['an empty text', ['SET', '']], ['a fraction', ['SET', '1.5']], ['something like a tally', ['SET', '1:2:']],
      ['another tally', ['SET', '-1:-1:-1']],
    ])('%s makes way', async (_what, [command, ...words]) => {
      const { nameOf, check, left } = await opened();
      await redis.command(command, nameOf('k'), ...words);
      expect(await check('k')).toMatchObject({ allowed: true, count: 1, remaining: 1, source: 'redis' });
      expect(await left('k')).toBeGreaterThan(0);
      expect((await check('k')).allowed).toBe(true);
      expect(await check('k')).toMatchObject({ allowed: false, count: 2 });
      await redis.command('DEL', nameOf('other'));
      await redis.command(command, nameOf('other'), ...words);
      expect(await check('other', 2, { cost: 3 })).toMatchObject({ allowed: false, source: 'redis' });
    });

    test('a reset leaves nothing', async () => {
      const { limits, keyPrefix, check } = await opened();
      await check('k');
      await limits.resetRateLimit('k');
      expect(await redis.command('KEYS', `${keyPrefix}limit:*`)).toEqual([]);
    });

    test('what has ended leaves nothing', async () => {
      const { limits, nameOf } = await opened();
      await limits.checkRateLimit('k', 1, 0.05, { algorithm });
      await until(async () => (await redis.command('EXISTS', nameOf('k'))) === 0, { what: 'the key has ended' });
      expect((await limits.checkRateLimit('k', 1, 0.05, { algorithm })).allowed).toBe(true);
    });

    test('a window of a millisecond is one', async () => {
      const { limits, nameOf } = await opened();
      expect((await limits.checkRateLimit('k', 1, 0.0001, { algorithm })).allowed).toBe(true);
      await until(async () => (await redis.command('EXISTS', nameOf('k'))) === 0, { what: 'the key has ended' });
    });
  });

  test('one call counts with one command', async () => {
    const limits = await place.open();
    await limits.checkRateLimit('k', 1000);
    // A script goes whole the first time.
    const calls = async () => {
      const counted = (await redis.command('INFO', 'commandstats')).matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g);
      return [...counted].reduce((sum, [, count]) => sum + Number(count), 0);
    };
    const before = await calls();
    for (const [algorithm] of KINDS) await limits.checkRateLimit('j', 1000, 60, { algorithm });
    await limits.checkRateLimit('k', 1000);
    expect((await calls()) - before).toBeGreaterThanOrEqual(4);
    expect((await calls()) - before).toBeLessThanOrEqual(5);
  });
});
