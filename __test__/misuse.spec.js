'use strict';

const { outcomeOf } = require('./support/deferred');
const { PLACES } = require('./support/places');

const KEY_BYTES = 64 * 1024;
const TEN_YEARS = 10 * 365 * 24 * 3600;
const cycle = { list: [] };
cycle.list.push({ cycle });

/** Title, value, class of the error. */
const NOT_STRINGS = [
  ['undefined', undefined], ['null', null], ['a number', 5], ['NaN', NaN], ['a boolean', true], ['an object', {}], ['an array', ['k']],
  ['a function', () => 'k'], ['a symbol', Symbol('k')], ['a BigInt', 1n], ['a boxed string', Object('k')], ['a Buffer', Buffer.from('k')],
  ['an object with toString', { toString: () => 'k' }], ['a promise', Promise.resolve('k')],
].map(([title, value]) => [title, value, TypeError]);

const NOT_NAMES = [
  ...NOT_STRINGS,
  ['an empty text', '', RangeError],
  ['64 KiB and a byte', 'k'.repeat(KEY_BYTES + 1), RangeError],
  ['64 KiB and a byte in two-byte letters', `k${'é'.repeat(KEY_BYTES / 2)}`, RangeError],
  ['64 KiB and more in pairs', '😀'.repeat(KEY_BYTES / 4 + 1), RangeError],
  ['1 MB', 'k'.repeat(1 << 20), RangeError],
  ['half a pair', '\ud800', RangeError],
  ['half a pair inside', 'a\udc00b', RangeError],
];

const NOT_TTLS = [
  ['null', null, TypeError], ['a text', '60', TypeError], ['an object', {}, TypeError], ['a boolean', true, TypeError],
  ['a BigInt', 60n, TypeError], ['a symbol', Symbol('s'), TypeError], ['a Date', new Date(), TypeError], ['a boxed number', Object(60), TypeError],
  ['0', 0, RangeError], ['-0', -0, RangeError], ['-1', -1, RangeError], ['NaN', NaN, RangeError], ['Infinity', Infinity, RangeError],
  ['-Infinity', -Infinity, RangeError], ['more than ten years', TEN_YEARS + 0.001, RangeError], ['the largest', Number.MAX_VALUE, RangeError],
];

const NOT_JSON = [
  ['undefined', undefined], ['a function', () => 1], ['a symbol', Symbol('s')], ['a BigInt', 1n], ['a BigInt inside', { a: [1n] }],
  ['a cycle', cycle], ['toJSON that gives undefined', { toJSON: () => undefined }], ['a class', class {}], ['BigInt64Array', new BigInt64Array(1)],
].map(([title, value]) => [title, value, TypeError]);

const NOT_FUNCTIONS = [
  ['undefined', undefined], ['null', null], ['a text', 'loader'], ['an object', {}], ['a promise', Promise.resolve(1)], ['a value', 1],
].map(([title, value]) => [title, value, TypeError]);

const NOT_OPTIONS = [['null', null, TypeError], ['a number', 60, TypeError], ['a text', 'x', TypeError], ['a function', () => {}, TypeError]];
const NOT_TIMEOUTS = [
  ['0', 0], ['-1', -1], ['a fraction', 1.5], ['a text', '5'], ['NaN', NaN], ['Infinity', Infinity], ['2^31', 2 ** 31], ['null', null],
].map(([title, value]) => [title, value, Error]);

/** What, code, how it is called, wrong values. */
const MISUSES = [
  ['the key of cacheGet', 'E_INVALID_KEY', (cache, key) => cache.cacheGet(key), NOT_NAMES],
  ['the key of cacheSet', 'E_INVALID_KEY', (cache, key) => cache.cacheSet(key, 'new'), NOT_NAMES],
  ['the key of cacheDelete', 'E_INVALID_KEY', (cache, key) => cache.cacheDelete(key), NOT_NAMES],
  ['the key of cacheGetOrSet', 'E_INVALID_KEY', (cache, key) => cache.cacheGetOrSet(key, () => 'new'), NOT_NAMES],
  ['the pattern of cacheDeletePattern', 'E_INVALID_PATTERN', (cache, glob) => cache.cacheDeletePattern(glob), NOT_NAMES],
  ['the value of cacheSet', 'E_INVALID_VALUE', (cache, value) => cache.cacheSet('k', value), NOT_JSON],
  ['the TTL of cacheSet', 'E_INVALID_TTL', (cache, ttl) => cache.cacheSet('k', 'new', ttl), NOT_TTLS],
  ['the loader', 'E_INVALID_CALLBACK', (cache, loader) => cache.cacheGetOrSet('absent', loader), NOT_FUNCTIONS],
  ['the options', 'E_INVALID_OPTION', (cache, options) => cache.cacheGetOrSet('absent', () => 1, options), NOT_OPTIONS],
  ['ttlSeconds', 'E_INVALID_TTL', (cache, ttlSeconds) => cache.cacheGetOrSet('absent', () => 1, { ttlSeconds }), NOT_TTLS],
  ['staleSeconds', 'E_INVALID_TTL', (cache, staleSeconds) => cache.cacheGetOrSet('absent', () => 1, { staleSeconds }),
    NOT_TTLS.filter(([, value]) => value !== 0)],
  ['loaderTimeoutMs', 'E_INVALID_OPTION', (cache, loaderTimeoutMs) => cache.cacheGetOrSet('absent', () => 1, { loaderTimeoutMs }), NOT_TIMEOUTS],
];

const TABLE = MISUSES.flatMap(([what, code, call, values]) =>
  values.map(([title, value, type]) => [`${what}: ${title}`, { code, type, call: (cache) => call(cache, value) }]));

describe.each(PLACES)('misuse on %s', (_where, start) => {
  let place;
  let cache;

  beforeAll(async () => {
    place = await start();
    cache = await place.open();
    await cache.cacheSet('k', 'old');
  });

  afterAll(() => place.end());

  /** Rejects, in this realm, and leaves everything as it was. */
  async function expectRefused(call, code, type) {
    let promise;
    expect(() => {
      promise = call(cache);
    }).not.toThrow();
    expect(promise).toBeInstanceOf(Promise);
    const outcome = await outcomeOf(promise);
    expect(outcome).toMatchObject({ code });
    expect(outcome.error).toBeInstanceOf(Error);
    expect(outcome.error).toBeInstanceOf(type);
    expect(outcome.error instanceof TypeError || outcome.error instanceof RangeError).toBe(true);
    expect(await Promise.all([cache.cacheGet('k'), cache.cacheGet('absent')])).toEqual(['old', null]);
  }

  test.each(TABLE)('%s', (_title, { code, type, call }) => expectRefused(call, code, type));

  test.each([
    ['cacheGet', 'E_INVALID_KEY'],
    ['cacheSet', 'E_INVALID_KEY'],
    ['cacheDelete', 'E_INVALID_KEY'],
    ['cacheDeletePattern', 'E_INVALID_PATTERN'],
    ['cacheGetOrSet', 'E_INVALID_KEY'],
  ])('%s without arguments', (name, code) => expectRefused(() => cache[name](), code, TypeError));

  test('a key without a value', () => expectRefused(() => cache.cacheSet('k'), 'E_INVALID_VALUE', TypeError));

  test('options that throw when they are read reject with what they throw', async () => {
    const error = new Error('provoked by a test');
    const hostile = { get ttlSeconds() { throw error; } };
    let promise;
    expect(() => {
      promise = cache.cacheGetOrSet('absent', () => 1, hostile);
    }).not.toThrow();
    await expect(promise).rejects.toBeDefined();
    expect(await cache.cacheGet('absent')).toBeNull();
  });

  test('what is too deep to be written rejects', async () => {
    let deep = [];
    for (let i = 0; i < 100_000; i++) deep = [deep];
    await expectRefused(() => cache.cacheSet('k', deep), 'E_INVALID_VALUE', TypeError);
  });

  test('an error names no value that was passed', async () => {
    const secret = 'hunter2';
    const calls = [cache.cacheSet('k', () => secret), cache.cacheSet('k', 1, secret), cache.cacheGet([secret]), cache.cacheGet(`${secret}\ud800`)];
    for (const call of calls) {
      const { error } = await outcomeOf(call);
      expect(`${error.message}${JSON.stringify(error)}`).not.toContain(secret);
    }
  });

  test('wrong calls in the middle of right ones disturb none of them', async () => {
    const answers = await Promise.all([
      cache.cacheSet('a', 1),
      outcomeOf(cache.cacheSet('a', undefined)),
      outcomeOf(cache.cacheGet('')),
      cache.cacheGet('a'),
      outcomeOf(cache.cacheDelete(null)),
      outcomeOf(cache.cacheSet('a', 2, 0)),
      cache.cacheGet('a'),
    ]);
    expect(answers.map((answer) => answer?.code ?? answer)).toEqual([
      true, 'E_INVALID_VALUE', 'E_INVALID_KEY', 1, 'E_INVALID_KEY', 'E_INVALID_TTL', 1,
    ]);
  });

  test('what is right at the very edge is accepted', async () => {
    const longest = 'é'.repeat(KEY_BYTES / 2);
    expect(await cache.cacheSet(longest, 1, TEN_YEARS)).toBe(true);
    expect(await cache.cacheGet(longest)).toBe(1);
    const edge = { ttlSeconds: TEN_YEARS, staleSeconds: TEN_YEARS, loaderTimeoutMs: 2 ** 31 - 1 };
    expect(await cache.cacheGetOrSet('edge', () => 1, edge)).toBe(1);
    expect(await cache.cacheGet('edge')).toBe(1);
    expect(await cache.cacheDeletePattern('?'.repeat(KEY_BYTES))).toBe(1);
  });
});
