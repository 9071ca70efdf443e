'use strict';

const { uniquePrefix, until } = require('./support');
const { PLACES, onRedis } = require('./support/places');

const TEN_YEARS = 10 * 365 * 24 * 3600;
const DEFAULT_TTL = 3600;
/** More time than passes between a set and the look at what is left of its TTL. */
const SLACK_MS = 20_000;

describe.each(PLACES)('TTLs on %s', (_where, start) => {
  let place;
  let cache;

  beforeAll(async () => {
    place = await start();
    cache = await place.open();
  });

  afterAll(() => place.end());

  const isGone = (key) => until(async () => (await cache.cacheGet(key)) === null, { what: `${key} is gone` });

  test.each([0.05, 0.0123, 0.001, 0.0004, 1e-9, Number.MIN_VALUE])('%d seconds come to an end', async (ttl) => {
    const key = `short:${ttl}`;
    expect(await cache.cacheSet(key, 'v', ttl)).toBe(true);
    await isGone(key);
  });

  test.each([
    ['a minute', 60],
    ['a second and a fraction', 90.0005],
    ['a millisecond below 2^31', 2_147_483.647],
    ['2^31 ms', 2_147_483.648],
    ['2^32 ms and a fraction', 4_294_967.2965],
    ['ten years', TEN_YEARS],
    ['the default', undefined],
  ])('%s does not overflow', async (name, ttl) => {
    expect(await cache.cacheSet(name, 'v', ttl)).toBe(true);
    const other = Array.from({ length: 20 }, (_, i) => cache.cacheSet(`other:${i}`, i));
    await Promise.all(other);
    expect(await cache.cacheGet(name)).toBe('v');
  });

  test('each set begins a new time, longer or shorter', async () => {
    await cache.cacheSet('longer', 1, 0.02);
    await cache.cacheSet('longer', 2, 600);
    await cache.cacheSet('shorter', 1, 600);
    await cache.cacheSet('shorter', 2, 0.02);
    await isGone('shorter');
    expect(await cache.cacheGet('longer')).toBe(2);
  });

  test('reading does not lengthen it', async () => {
    await cache.cacheSet('read often', 1, 0.1);
    await isGone('read often');
  });

  test('a key that has expired is not counted by a pattern delete', async () => {
    await cache.cacheSet('count:gone', 1, 0.001);
    await cache.cacheSet('count:there', 1);
    await isGone('count:gone');
    expect(await cache.cacheDeletePattern('count:*')).toBe(1);
  });
});

describe('TTLs as the server sees them', () => {
  let place;
  let cache;
  let prefix;

  beforeAll(async () => {
    place = await onRedis();
    prefix = uniquePrefix();
    cache = await place.open({ keyPrefix: prefix });
  });

  afterAll(() => place.end());

  test.each([[undefined, DEFAULT_TTL], [30.0001], [90.5], [2_147_483.647], [2_147_483.648], [4_294_967.3], [TEN_YEARS]])(
    '%p seconds',
    async (ttl, seconds = ttl) => {
      await cache.cacheSet('k', 'v', ttl);
      const left = await place.redis.command('PTTL', `${prefix}cache:k`);
      const whole = Math.ceil(seconds * 1000);
      expect(left).toBeLessThanOrEqual(whole);
      expect(left).toBeGreaterThan(whole - SLACK_MS);
    }
  );

  test('nothing is ever kept for ever, however short its time', async () => {
    for (const ttl of [0.0001, 1e-12, Number.MIN_VALUE]) {
      await cache.cacheSet('k', 'v', ttl);
      expect(await place.redis.command('PTTL', `${prefix}cache:k`)).not.toBe(-1);
    }
  });

  test('a loaded value has its TTL and its stale time', async () => {
    const left = async () => place.redis.command('PTTL', `${prefix}cache:loaded`);
    await cache.cacheGetOrSet('loaded', () => 1, { ttlSeconds: 100.5 });
    expect([await left()].every((ms) => ms > 100_500 - SLACK_MS && ms <= 100_500)).toBe(true);
    await cache.cacheDelete('loaded');
    await cache.cacheGetOrSet('loaded', () => 1, { ttlSeconds: 100, staleSeconds: TEN_YEARS });
    const whole = 100_000 + TEN_YEARS * 1000;
    expect([await left()].every((ms) => ms > whole - SLACK_MS && ms <= whole)).toBe(true);
    await cache.cacheDelete('loaded');
    await cache.cacheGetOrSet('loaded', () => 1);
    expect(await left()).toBeGreaterThan(DEFAULT_TTL * 1000 - SLACK_MS);
  });
});
