'use strict';

const { freePort } = require('./support');
const { outcomeOf } = require('./support/deferred');
const { PLACES } = require('./support/places');

const KEY_BYTES = 64 * 1024;
const TEN_YEARS = 10 * 365 * 24 * 3600;
const ALGORITHMS = ['fixed-window', 'sliding-window', 'token-bucket'];

const NOT_KEYS = [
  ['null', null, TypeError], ['undefined', undefined, TypeError], ['a number', 5, TypeError], ['an object', {}, TypeError],
  ['an array', ['k'], TypeError], ['a symbol', Symbol('k'), TypeError], ['a Buffer', Buffer.from('k'), TypeError], ['a boxed text', Object('k'), TypeError],
  ['an empty text', '', RangeError], ['64 KiB and a byte', 'k'.repeat(KEY_BYTES + 1), RangeError], ['half a pair', 'a\ud800', RangeError],
  ['64 KiB and more in UTF-8', '😀'.repeat(KEY_BYTES / 4 + 1), RangeError],
];
const NOT_COUNTS = [
  ['null', null, TypeError], ['a text', '5', TypeError], ['a BigInt', 5n, TypeError], ['a boolean', true, TypeError], ['an object', {}, TypeError],
  ['a boxed number', Object(5), TypeError], ['0', 0, RangeError], ['-0', -0, RangeError], ['-1', -1, RangeError], ['a fraction', 1.5, RangeError],
  ['NaN', NaN, RangeError], ['Infinity', Infinity, RangeError], ['2^53', 2 ** 53, RangeError], ['the largest', Number.MAX_VALUE, RangeError],
];
const NOT_WINDOWS = [
  ['null', null, TypeError], ['a text', '60', TypeError], ['a BigInt', 60n, TypeError], ['an object', {}, TypeError], ['a boolean', false, TypeError],
  ['0', 0, RangeError], ['-0', -0, RangeError], ['-1', -1, RangeError], ['NaN', NaN, RangeError], ['Infinity', Infinity, RangeError],
  ['more than ten years', TEN_YEARS + 0.001, RangeError],
];
const NOT_OPTIONS = [['null', null, TypeError], ['a text', 'token-bucket', TypeError], ['a number', 1, TypeError], ['a function', () => {}, TypeError]];
const NOT_ALGORITHMS = [
  ['null', null, TypeError], ['another text', 'leaky-bucket', TypeError], ['other letters', 'Fixed-Window', TypeError], ['an empty text', '', TypeError],
  ['a number', 0, TypeError], ['an array', ['fixed-window'], TypeError], ['a boxed text', Object('fixed-window'), TypeError],
  ['constructor', 'constructor', TypeError],
];

const table = (what, code, call, values) => values.map(([title, value, type]) => [`${what}: ${title}`, { code, type, call: (limits) => call(limits, value) }]);

const MISUSES = [
  ...table('the key', 'E_INVALID_KEY', (limits, key) => limits.checkRateLimit(key, 5), NOT_KEYS),
  ...table('the key of a reset', 'E_INVALID_KEY', (limits, key) => limits.resetRateLimit(key), NOT_KEYS),
  ...table('the limit', 'E_INVALID_COUNT', (limits, max) => limits.checkRateLimit('k', max), [...NOT_COUNTS, ['undefined', undefined, TypeError]]),
  ...table('the cost', 'E_INVALID_COUNT', (limits, cost) => limits.checkRateLimit('k', 5, 60, { cost }), NOT_COUNTS),
  ...table('the window', 'E_INVALID_TTL', (limits, seconds) => limits.checkRateLimit('k', 5, seconds), NOT_WINDOWS),
  ...table('the options', 'E_INVALID_OPTION', (limits, options) => limits.checkRateLimit('k', 5, 60, options), NOT_OPTIONS),
  ...table('the algorithm', 'E_INVALID_OPTION', (limits, algorithm) => limits.checkRateLimit('k', 5, 60, { algorithm }), NOT_ALGORITHMS),
];

describe.each(PLACES)('misuse of rate limits on %s', (_where, start) => {
  let place;
  let limits;

  beforeAll(async () => {
    place = await start();
    limits = await place.open();
    for (const algorithm of ALGORITHMS) await limits.checkRateLimit('k', 5, 3600, { algorithm });
  });

  afterAll(() => place.end());

  /** Without counting: a cost above the limit is denied and tells. */
  const counted = () => Promise.all(ALGORITHMS.map(async (algorithm) => (await limits.checkRateLimit('k', 5, 3600, { algorithm, cost: 6 })).count));

  test.each(MISUSES)('%s', async (_title, { code, type, call }) => {
    let promise;
    expect(() => {
      promise = call(limits);
    }).not.toThrow();
    expect(promise).toBeInstanceOf(Promise);
    const outcome = await outcomeOf(promise);
    expect(outcome).toMatchObject({ code });
    expect(outcome.error).toBeInstanceOf(type);
    expect(await counted()).toEqual([1, 1, 1]);
  });

  test('no arguments at all', async () => {
    expect((await outcomeOf(limits.checkRateLimit())).code).toBe('E_INVALID_KEY');
    expect((await outcomeOf(limits.checkRateLimit('k'))).code).toBe('E_INVALID_COUNT');
    expect((await outcomeOf(limits.resetRateLimit())).code).toBe('E_INVALID_KEY');
  });

  test.each(['algorithm', 'cost'])('options that throw when their %s is read reject', async (name) => {
    const hostile = Object.defineProperty({}, name, { get: () => { throw new Error('provoked by a test'); } });
    let promise;
    expect(() => {
      promise = limits.checkRateLimit('k', 5, 60, hostile);
    }).not.toThrow();
    await expect(promise).rejects.toBeDefined();
    expect(await counted()).toEqual([1, 1, 1]);
  });

  test.each([['cost', [1, -5]], ['cost', [1, 'x']], ['cost', [1, 1.5]], ['algorithm', ['fixed-window', 'nonsense']]])(
    'options whose %s changes while it is read count as what was checked: %j',
    async (name, values) => {
      let reads = 0;
      const key = `changing ${name} ${values}`;
      const options = Object.defineProperty({}, name, { get: () => values[Math.min(reads++, 1)] });
      const outcome = await outcomeOf(limits.checkRateLimit(key, 5, 60, options));
      const isRefused = ['E_INVALID_COUNT', 'E_INVALID_OPTION'].includes(outcome.code);
      expect(isRefused || outcome.value.count === 1).toBe(true);
      if (!isRefused) expect((await limits.checkRateLimit(key, 5, 60)).count).toBe(2);
    }
  );

  test('what is right at the very edge is accepted', async () => {
    const largest = Number.MAX_SAFE_INTEGER;
    for (const algorithm of ALGORITHMS) {
      const answer = await limits.checkRateLimit('é'.repeat(KEY_BYTES / 2), largest, TEN_YEARS, { algorithm, cost: 1 });
      expect(answer).toMatchObject({ allowed: true, limit: largest });
      expect((await limits.checkRateLimit('tiny', 1, Number.MIN_VALUE, { algorithm })).allowed).toBe(true);
      expect((await limits.checkRateLimit(`undefined ${algorithm}`, 1, undefined, { algorithm, cost: undefined })).allowed).toBe(true);
    }
    expect((await limits.checkRateLimit('undefined', 1, undefined, undefined)).allowed).toBe(true);
    expect((await limits.checkRateLimit('array', 1, 60, [])).allowed).toBe(true);
  });

  test('the functions work detached', async () => {
    const { checkRateLimit, resetRateLimit } = limits;
    expect((await checkRateLimit('detached', 1)).allowed).toBe(true);
    await resetRateLimit('detached');
    expect((await checkRateLimit('detached', 1)).allowed).toBe(true);
  });

  test('after close nothing is counted', async () => {
    const closed = await place.open();
    await closed.checkRateLimit('k', 1);
    const closing = closed.close();
    expect((await outcomeOf(closed.checkRateLimit('k', 1))).code).toBe('E_CLOSED');
    expect((await outcomeOf(closed.resetRateLimit('k'))).code).toBe('E_CLOSED');
    await closing;
    expect((await outcomeOf(closed.checkRateLimit('k', 1))).code).toBe('E_CLOSED');
    expect((await outcomeOf(closed.checkRateLimit('', 1))).code).toBe('E_INVALID_KEY');
  });

  test('close lets the checks and the resets before it end', async () => {
    for (let round = 0; round < 10; round += 1) {
      const closed = await place.open();
      const calls = [closed.checkRateLimit('k', 1), closed.checkRateLimit('k', 1), closed.resetRateLimit('k'), closed.checkRateLimit('k', 1)];
      const outcomes = Promise.all(calls.map(outcomeOf));
      await closed.close();
      expect((await outcomes).map(({ value, code }) => code ?? value?.allowed)).toEqual([true, false, undefined, true]);
    }
  });

  test('a wrong configuration rejects each call', async () => {
    const wrong = place.openCold({ url: `http://127.0.0.1:${await freePort()}` });
    const outcomes = await Promise.all([wrong.checkRateLimit('k', 1), wrong.resetRateLimit('k')].map(outcomeOf));
    expect(outcomes.every(({ code }) => /^E_/.test(code))).toBe(true);
  });
});
