'use strict';

const { uniquePrefix } = require('./support');
const { outcomeOf } = require('./support/deferred');
const { ASYNC_DISPOSE, commandsOf } = require('./support/locks');
const { NOBODY, PLACES, silent } = require('./support/places');
const { createBackplane } = require('..');

const KEY_BYTES = 64 * 1024;
const TEN_YEARS = 10 * 365 * 24 * 3600;

const NOT_KEYS = [
  ['null', null, TypeError], ['undefined', undefined, TypeError], ['a number', 5, TypeError], ['an object', {}, TypeError], ['a function', () => {}, TypeError],
  ['an array', ['k'], TypeError], ['a symbol', Symbol('k'), TypeError], ['a Buffer', Buffer.from('k'), TypeError], ['a boxed text', Object('k'), TypeError],
  ['an empty text', '', RangeError], ['64 KiB and a byte', 'k'.repeat(KEY_BYTES + 1), RangeError], ['half a pair', 'a\ud800', RangeError],
  ['64 KiB and more in UTF-8', '😀'.repeat(KEY_BYTES / 4 + 1), RangeError],
];
const NOT_TTLS = [
  ['null', null, TypeError], ['a text', '60', TypeError], ['a BigInt', 60n, TypeError], ['an object', {}, TypeError], ['an array', [5], TypeError], ['a boolean', true, TypeError],
  ['a symbol', Symbol('5'), TypeError], ['what has a value', { valueOf: () => 5 }, TypeError], ['a boxed number', Object(5), TypeError],
  ['0', 0, RangeError], ['-0', -0, RangeError], ['-1', -1, RangeError], ['NaN', NaN, RangeError], ['Infinity', Infinity, RangeError], ['-Infinity', -Infinity, RangeError],
  ['more than ten years', TEN_YEARS + 0.001, RangeError],
];
const NOT_WAITS = [
  ['null', null], ['a text', '5'], ['a BigInt', 5n], ['a boolean', true], ['an object', {}], ['a boxed number', Object(5)], ['-1', -1], ['NaN', NaN], ['-Infinity', -Infinity],
  ['below 0', -Number.MIN_VALUE],
].map(([title, value]) => [title, value, Error]);
const NOT_SIGNALS = [
  ['null', null, TypeError], ['a text', 'abort', TypeError], ['a number', 1, TypeError], ['false', false, TypeError], ['an object', {}, TypeError], ['a controller', new AbortController(), TypeError],
  ['an EventTarget', new EventTarget(), TypeError], ['half of one', { aborted: false }, TypeError], ['a function', () => {}, TypeError],
];
const NOT_OPTIONS = [['null', null, TypeError], ['a text', 'ttlSeconds', TypeError], ['a number', 5, TypeError], ['a boolean', true, TypeError], ['a symbol', Symbol('o'), TypeError]];
const NOT_CALLBACKS = [['undefined', undefined, TypeError], ['null', null, TypeError], ['an object', {}, TypeError], ['a text', 'f', TypeError], ['a promise', Promise.resolve(), TypeError]];
const BROKEN = {
  get ttlSeconds() {
    throw new Error('provoked by a test');
  },
};

const never = () => {
  throw new Error('a callback that must not run');
};
const table = (what, code, call, values) => values.map(([title, value, type]) => [`${what}: ${title}`, { code, type, call: (on) => call(on, value) }]);

const MISUSES = [
  ...table('acquireLock, the key', 'E_INVALID_KEY', ({ locks }, key) => locks.acquireLock(key), NOT_KEYS),
  ...table('releaseLock, the key', 'E_INVALID_KEY', ({ locks }, key) => locks.releaseLock(key), NOT_KEYS),
  ...table('lock, the key', 'E_INVALID_KEY', ({ locks }, key) => locks.lock(key), NOT_KEYS),
  ...table('withLock, the key', 'E_INVALID_KEY', ({ locks }, key) => locks.withLock(key, never), NOT_KEYS),
  ...table('acquireLock, the TTL', 'E_INVALID_TTL', ({ locks }, ttl) => locks.acquireLock('free', ttl), NOT_TTLS),
  ...table('lock, the TTL', 'E_INVALID_TTL', ({ locks }, ttlSeconds) => locks.lock('free', { ttlSeconds }), NOT_TTLS),
  ...table('withLock, the TTL', 'E_INVALID_TTL', ({ locks }, ttlSeconds) => locks.withLock('free', { ttlSeconds }, never), NOT_TTLS),
  ...table('extend, the TTL', 'E_INVALID_TTL', ({ held }, ttl) => held.extend(ttl), NOT_TTLS),
  ...table('lock, waitMs', 'E_INVALID_OPTION', ({ locks }, waitMs) => locks.lock('free', { waitMs }), NOT_WAITS),
  ...table('withLock, waitMs', 'E_INVALID_OPTION', ({ locks }, waitMs) => locks.withLock('free', { waitMs }, never), NOT_WAITS),
  ...table('lock, the signal', 'E_INVALID_OPTION', ({ locks }, signal) => locks.lock('free', { signal }), NOT_SIGNALS),
  ...table('withLock, the signal', 'E_INVALID_OPTION', ({ locks }, signal) => locks.withLock('free', { signal }, never), NOT_SIGNALS),
  ...table('lock, the options', 'E_INVALID_OPTION', ({ locks }, options) => locks.lock('free', options), [...NOT_OPTIONS, ['a function', () => {}, TypeError]]),
  ...table('withLock, the options', 'E_INVALID_OPTION', ({ locks }, options) => locks.withLock('free', options, never), NOT_OPTIONS),
  ...table('withLock, the callback', 'E_INVALID_CALLBACK', ({ locks }, callback) => locks.withLock('free', {}, callback), NOT_CALLBACKS),
  ['withLock without a callback', { code: 'E_INVALID_CALLBACK', type: TypeError, call: ({ locks }) => locks.withLock('free') }],
  ['withLock with two functions', { code: 'E_INVALID_OPTION', type: TypeError, call: ({ locks }) => locks.withLock('free', never, never) }],
  ['lock with options that throw', { code: 'E_INVALID_OPTION', type: TypeError, call: ({ locks }) => locks.lock('free', BROKEN) }],
  ['withLock with options that throw', { code: 'E_INVALID_OPTION', type: TypeError, call: ({ locks }) => locks.withLock('free', BROKEN, never) }],
  ['nothing at all: acquireLock', { code: 'E_INVALID_KEY', type: TypeError, call: ({ locks }) => locks.acquireLock() }],
  ['nothing at all: releaseLock', { code: 'E_INVALID_KEY', type: TypeError, call: ({ locks }) => locks.releaseLock() }],
  ['nothing at all: lock', { code: 'E_INVALID_KEY', type: TypeError, call: ({ locks }) => locks.lock() }],
  ['nothing at all: withLock', { type: TypeError, call: ({ locks }) => locks.withLock() }],
];

describe.each(PLACES)('misuse of locks on %s', (_where, start) => {
  let place;
  let locks;
  let held;

  beforeAll(async () => {
    place = await start();
    locks = await place.open({ keyPrefix: uniquePrefix() });
    held = await locks.lock('held', { ttlSeconds: 600 });
    await locks.acquireLock('named', 600);
  });

  afterAll(() => place.end());

  /** What is held is held still, and what is free is free. */
  async function expectNothingChanged() {
    expect([await locks.acquireLock('held'), await locks.acquireLock('named'), held.signal.aborted]).toEqual([false, false, false]);
    const free = await locks.lock('free');
    expect(await free.release()).toBe(true);
  }

  const scripts = async () => {
    if (place.redis === null) return 0;
    const { eval: evals = 0, evalsha = 0 } = await commandsOf(place.redis);
    return evals + evalsha;
  };

  test.each(MISUSES)('%s', async (_title, { code, type, call }) => {
    const before = await scripts();
    let promise;
    expect(() => {
      promise = call({ locks, held });
    }).not.toThrow();
    expect(promise).toBeInstanceOf(Promise);
    const { error } = await outcomeOf(promise);
    expect(error).toBeInstanceOf(type);
    expect(error.code).toEqual(code ?? expect.stringMatching(/^E_INVALID_/));
    expect(await scripts()).toBe(before);
    await expectNothingChanged();
  });

  test.each(['ttlSeconds', 'waitMs', 'signal'])('options whose %s throws when it is read reject', async (name) => {
    const hostile = Object.defineProperty({}, name, { get: () => { throw new Error('provoked by a test'); } });
    for (const call of [() => locks.lock('free', hostile), () => locks.withLock('free', hostile, never)]) {
      let promise;
      expect(() => {
        promise = call();
      }).not.toThrow();
      expect((await outcomeOf(promise)).code).toBe('E_INVALID_OPTION');
    }
    const proxy = new Proxy({}, { get: () => { throw new Error('provoked by a test'); } });
    expect((await outcomeOf(locks.lock('free', proxy))).code).toBe('E_INVALID_OPTION');
    await expectNothingChanged();
  });

  test.each([['ttlSeconds', [5, -1]], ['ttlSeconds', [5, 'x']], ['waitMs', [0, NaN]], ['signal', [undefined, 'x']]])(
    'an option that changes while it is read counts as what was checked: %s %j',
    async (name, values) => {
      let reads = 0;
      const options = Object.defineProperty({}, name, { get: () => values[Math.min(reads++, 1)] });
      const { value, code } = await outcomeOf(locks.lock('changing', options));
      expect(code ?? 'E_INVALID').toMatch(/^E_INVALID/);
      if (value) expect(await value.extend()).toBe(true);
      await value?.release();
    }
  );

  test('options are read once, and what is changed afterwards does not count', async () => {
    const options = { ttlSeconds: 60, waitMs: 0 };
    const taking = locks.lock('mine', options);
    Object.assign(options, { ttlSeconds: 0.001, waitMs: NaN, signal: 'x' });
    const lock = await taking;
    expect([await lock.extend(), lock.signal.aborted, options.ttlSeconds]).toEqual([true, false, 0.001]);
    await lock.release();
  });

  test('what is undefined is as good as left out, and what is unknown does no harm', async () => {
    const lock = await locks.lock('loose', { ttlSeconds: undefined, waitMs: undefined, signal: undefined, ttl: -1, __proto__: null });
    expect([await lock.extend(undefined), await lock.release()]).toEqual([true, true]);
    expect(await locks.acquireLock('loose', undefined)).toBe(true);
    await locks.releaseLock('loose');
    expect(await locks.lock('loose', [])).not.toBeNull();
    expect(await locks.withLock('looser', undefined, () => 1)).toBe(1);
  });

  test('a Lock cannot be made to release another by what is written on it', async () => {
    const lock = await locks.lock('changed');
    try {
      Object.assign(lock, { key: 'held', token: held.token, fence: 0 });
    } catch {
      // As good.
    }
    expect(await lock.release()).toBe(true);
    await expectNothingChanged();
    expect(await locks.acquireLock('changed')).toBe(true);
  });

  test('methods that are called on something else reject or throw, and crash nothing', async () => {
    for (const name of ['extend', 'release']) {
      for (const self of [undefined, {}, Object.create(held)]) expect((await outcomeOf((async () => held[name].call(self))())).error).toBeInstanceOf(TypeError);
    }
    await expectNothingChanged();
  });

  test('what is released while its backplane closes neither rejects nor hides an answer', async () => {
    for (const provoked of [null, new Error('provoked by a test')]) {
      const closing = await place.open();
      const lock = await closing.lock('k');
      const running = outcomeOf(closing.withLock('l', () => { closing.close(); if (provoked) throw provoked; return 'done'; }));
      const atOnce = outcomeOf(closing.withLock('m', () => 'done'));
      expect(await running).toMatchObject(provoked ? { error: provoked } : { value: 'done' });
      expect((await atOnce).value ?? 'E_CLOSED').toMatch(/^done$|^E_CLOSED$/);
      expect(await lock[ASYNC_DISPOSE]()).toBeUndefined();
    }
  });

  test('a lock that is disposed of in the tick of close does not reject', async () => {
    const closing = await place.open();
    const lock = await closing.lock('k');
    const disposed = lock[ASYNC_DISPOSE]();
    await closing.close();
    expect(await disposed).toBeUndefined();
  });

  test('an abort signal whose listeners cannot be added rejects', async () => {
    const signal = { aborted: false, addEventListener: () => { throw new Error('provoked by a test'); }, removeEventListener() {} };
    expect((await outcomeOf(locks.lock('odd', { signal }))).error).toBeInstanceOf(Error);
    await expectNothingChanged();
  });
});

describe('configuration of locks', () => {
  test.each([['null', null], ['a text', 'deny'], ['another text', { onUnavailable: 'never' }], ['a boolean', { onUnavailable: true }], ['other letters', { onUnavailable: 'Deny' }]])(
    'locks: %s is refused by every function',
    async (_title, locks) => {
      const backplane = createBackplane({ url: NOBODY, logger: silent, locks });
      for (const call of [() => backplane.acquireLock('k'), () => backplane.releaseLock('k'), () => backplane.lock('k'), () => backplane.withLock('k', never)]) {
        expect((await outcomeOf(call())).code).toMatch(/^E_INVALID/);
      }
      await backplane.close();
    }
  );

  test.each([[{}], [{ onUnavailable: undefined }], [{ onUnavailable: 'local' }], [undefined]])('locks: %j is local', async (locks) => {
    const backplane = createBackplane({ url: NOBODY, logger: silent, locks });
    expect([await backplane.acquireLock('k'), await backplane.acquireLock('k')]).toEqual([true, false]);
    await backplane.close();
  });

  test('a closed backplane rejects with E_CLOSED, one that never did anything too', async () => {
    const backplane = createBackplane({ url: NOBODY, logger: silent });
    await backplane.close();
    for (const call of [() => backplane.acquireLock('k'), () => backplane.releaseLock('k'), () => backplane.lock('k'), () => backplane.withLock('k', never)]) {
      expect((await outcomeOf(call())).code).toBe('E_CLOSED');
    }
  });
});
