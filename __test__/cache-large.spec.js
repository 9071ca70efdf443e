'use strict';

const { PLACES, onRedis, usePlace } = require('./support/places');
const { uniquePrefix } = require('./support');

const MAX_VALUE_BYTES = 64 * 1024 * 1024;
/** Around this size the way to Redis changes. */
const LARGE_BYTES = 256 * 1024;
const LARGE = 'x'.repeat(400_000);
const PATIENT = { commandTimeoutMs: 10_000, memory: { maxBytes: 512 * 1024 * 1024 } };

/** Text whose JSON has so many bytes. */
const jsonOf = (bytes, letter = 'x') => letter.repeat((bytes - 2) / Buffer.byteLength(letter));

describe.each(PLACES)('large values on %s', (_where, start) => {
  const place = usePlace(start);
  let cache;

  beforeEach(async () => {
    cache = await place.open(PATIENT);
  });

  test('64 MiB of JSON are kept, a byte more is refused and changes nothing', async () => {
    const largest = jsonOf(MAX_VALUE_BYTES);
    expect(await cache.cacheSet('k', largest)).toBe(true);
    const refused = [`${largest}x`, `${jsonOf(MAX_VALUE_BYTES, 'é')}x`, '\u0001'.repeat(MAX_VALUE_BYTES / 6 + 1)];
    for (const value of refused) {
      expect(Buffer.byteLength(JSON.stringify(value))).toBeGreaterThan(MAX_VALUE_BYTES);
      const set = cache.cacheSet('k', value);
      await expect(set).rejects.toMatchObject({ code: 'E_INVALID_VALUE' });
      await expect(set).rejects.toBeInstanceOf(RangeError);
    }
    // Not toBe: a failure would print both.
    expect((await cache.cacheGet('k')) === largest).toBe(true);
  });

  test('more than 64 MiB cannot be loaded either', async () => {
    const load = cache.cacheGetOrSet('k', () => `${jsonOf(MAX_VALUE_BYTES)}x`);
    await expect(load).rejects.toMatchObject({ code: 'E_INVALID_VALUE' });
    expect(await cache.cacheGet('k')).toBeNull();
  });

  test('64 MiB of other than ASCII are kept', async () => {
    const largest = jsonOf(MAX_VALUE_BYTES, 'é');
    expect(await cache.cacheSet('k', largest)).toBe(true);
    expect((await cache.cacheGet('k')) === largest).toBe(true);
  });

  const sizes = [-2, -1, 0, 1, 2].map((more) => LARGE_BYTES + more);

  test.each([...sizes, (1 << 20) / 3, 1 << 20, 3 << 20].map(Math.floor))('%i bytes come back whole', async (bytes) => {
    const value = jsonOf(bytes);
    expect(await cache.cacheSet('k', value)).toBe(true);
    expect((await cache.cacheGet('k')) === value).toBe(true);
    expect((await cache.cacheGetOrSet('k', () => 'loaded')) === value).toBe(true);
    expect((await cache.cacheGetOrSet('other', () => value)) === value).toBe(true);
    expect((await cache.cacheGet('other')) === value).toBe(true);
  });

  test('many sizes in one tick come back, each to its own caller', async () => {
    const values = [1, 400_000, 10, 262_144, 'é'.repeat(300_000), 2, LARGE, '😀'.repeat(90_000), 1_100_000, 3];
    const texts = values.map((value) => (typeof value === 'number' ? 'n'.repeat(value) : value));
    const sets = texts.map((text, i) => cache.cacheSet(`k${i}`, text));
    const gets = texts.map((_, i) => cache.cacheGet(`k${i}`));
    expect(await Promise.all(sets)).toEqual(texts.map(() => true));
    expect((await Promise.all(gets)).map((text, i) => text === texts[i])).toEqual(texts.map(() => true));
  });

  /** Short, so that a failure can be read. */
  const brief = (answers) => answers.map((answer) => (answer === LARGE ? 'LARGE' : answer));
  const write = { large: (key) => cache.cacheSet(key, LARGE), small: (key) => cache.cacheSet(key, 'small') };
  const call = { ...write, get: (key) => cache.cacheGet(key), delete: (key) => cache.cacheDelete(key) };

  test.each([
    [['large', 'get'], [true, 'LARGE']],
    [['large', 'small', 'get'], [true, true, 'small']],
    [['small', 'large', 'get'], [true, true, 'LARGE']],
    [['large', 'small', 'large', 'get'], [true, true, true, 'LARGE']],
    [['large', 'delete', 'get'], [true, true, null]],
    [['large', 'delete', 'large', 'get'], [true, true, true, 'LARGE']],
    [['delete', 'large', 'get'], [true, true, 'LARGE']],
    [['large', 'get', 'small', 'get'], [true, 'LARGE', true, 'small']],
    [['large', 'get', 'delete', 'get'], [true, 'LARGE', true, null]],
  ])('%j of a key in one tick happen in that order', async (calls, answers) => {
    const keys = ['k', '😀', 'other'];
    const made = keys.map((key) => Promise.all(calls.map((what) => call[what](key))));
    for (const got of await Promise.all(made)) expect(brief(got)).toEqual(answers);
  });

  test.each([
    [['get', 'delete'], [null, true]],
    [['get', 'small', 'get'], ['small', true, 'small']],
    [['get', 'get'], ['LARGE', 'LARGE']],
  ])('%j of a large value that is there: the read may see what the later call leaves', async (calls, later) => {
    await cache.cacheSet('k', LARGE);
    const [first, ...rest] = brief(await Promise.all(calls.map((what) => call[what]('k'))));
    expect(['LARGE', later[0]]).toContain(first);
    expect(rest).toEqual(later.slice(1));
  });

  test('small calls are answered while a large one is under way', async () => {
    const large = cache.cacheSet('large', 'x'.repeat(32 << 20));
    const small = Array.from({ length: 100 }, (_, i) => cache.cacheSet(`k${i}`, i));
    const done = [];
    large.then(() => done.push('large'));
    Promise.all(small).then(() => done.push('small'));
    expect(await large).toBe(true);
    await Promise.all(small);
    expect(done.sort()).toEqual(['large', 'small']);
  });
});

test('the server holds a large value as it holds a small one', async () => {
  const place = await onRedis();
  try {
    const keyPrefix = uniquePrefix();
    const cache = await place.open({ keyPrefix, ...PATIENT });
    await cache.cacheSet('k', LARGE, 600);
    expect((await place.redis.command('GET', `${keyPrefix}cache:k`)) === JSON.stringify(LARGE)).toBe(true);
    expect(await place.redis.command('TTL', `${keyPrefix}cache:k`)).toBeGreaterThan(0);
  } finally {
    await place.end();
  }
});
