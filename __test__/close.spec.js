'use strict';

const { startProxy, startRedis, until } = require('./support');
const { NOBODY } = require('./support/places');
const { resultOf } = require('./support/program');

const CLOSED = 'E_CLOSED';
const KEYS_BEYOND_A_DEADLINE = 200_000;

let redis;

beforeAll(async () => {
  redis = await startRedis({ args: ['--enable-debug-command', 'yes'] });
});

afterAll(() => redis.stop());

// In processes of their own: a call that is never answered would keep this one alive too.
const run = (scenario, url) => resultOf('close.js', { scenario, url }, { timeoutMs: 8000 });

describe.each([['redis', () => redis.url], ['memory', () => NOBODY]])('close on %s', (where, urlOf) => {
  test('is the end: every call after it rejects', async () => {
    const { calls, available } = await run('after', urlOf());
    expect(calls).toEqual(Array(7).fill(CLOSED));
    expect(available).toBe(false);
  });

  test('is the end at once, for calls of the same tick too', async () => {
    expect(await run('sameTick', urlOf())).toEqual(['undefined', ...Array(7).fill(CLOSED)]);
  });

  test('can be called again', async () => {
    expect(await run('twice', urlOf())).toEqual(['undefined', 'undefined', 'OK', 'undefined']);
  });

  test('lets the calls before it end', async () => {
    const { more, ...rest } = await run('inFlight', urlOf());
    expect(rest).toEqual({ sets: true, gets: true, closing: 'undefined' });
    expect(more).toEqual([true, 1, 0, where === 'redis' ? 'echo' : 'E_UNAVAILABLE']);
  });

  test('of several in one tick closes each', async () => {
    expect(await run('several', urlOf())).toEqual(Array(4).fill('undefined'));
    expect(await run('severalCold', urlOf())).toEqual(Array(3).fill('undefined'));
  });

  test('leaves the calls of another backplane alone', async () => {
    expect(await run('neighbours', urlOf())).toEqual([true, 'undefined', 1, true, 'undefined', 'é']);
  });

  test('during the first call, of a handle, and of nothing', async () => {
    expect(await run('firstCall', urlOf())).toEqual([true, 'undefined']);
    expect(await run('handleOnly', urlOf())).toEqual(['undefined', 'undefined', 'end']);
    expect(await run('unused', urlOf())).toEqual(['undefined', 'undefined']);
  });

  test.each(['loaderEndsAfter', 'loaderEndsMeanwhile'])('a load that is under way has an outcome: %s', async (scenario) => {
    const [closed, load] = await run(scenario, urlOf());
    expect(closed).toBe('undefined');
    expect(['loaded', CLOSED]).toContain(load);
  });

  test('a loader that fails after it has an outcome', async () => {
    const [closed, load] = await run('loaderFailsAfter', urlOf());
    expect(closed).toBe('undefined');
    expect(['E_INVALID_VALUE', CLOSED]).toContain(load);
  });

  test('a loader that ends after it takes no answer from another backplane', async () => {
    const [load, othersAnswered] = await run('loaderBesideOthers', urlOf());
    expect(othersAnswered).toBe(true);
    expect(['loaded', CLOSED]).toContain(load);
  });

  test('of one backplane leaves the next alone, whatever of the first is ended late', async () => {
    expect(await run('lateEnds', urlOf())).toEqual({ sets: true, gets: true, pending: 0, closed: 'undefined' });
  });

  test('leaves nothing open', async () => {
    const { before, after } = await run('resources', urlOf());
    expect(after).toEqual(before);
  });
});

test('close from an event handler', async () => {
  expect(await run('fromHandler', redis.url)).toEqual([true, 'undefined']);
});

test('close while a connection attempt hangs', async () => {
  const proxy = await startProxy(redis.port);
  proxy.blackhole();
  try {
    expect(await run('firstCall', proxy.url)).toEqual([true, 'undefined']);
    expect(await run('handleOnly', proxy.url)).toEqual(['undefined', 'undefined', 'end']);
  } finally {
    proxy.close();
  }
});

test('close during a long pattern deletion ends it, its connection and its call', async () => {
  await redis.command('DEBUG', 'POPULATE', KEYS_BEYOND_A_DEADLINE, 'cache:many', 10);
  const proxy = await startProxy(redis.port);
  proxy.delay(20);
  try {
    expect(await run('patternDelete', proxy.url)).toEqual({ closed: 'undefined', settled: true });
    await until(() => proxy.connections === 0, { what: 'no connection left' });
    expect(await redis.command('DBSIZE')).toBeGreaterThan(0);
  } finally {
    proxy.close();
  }
});

test('the server sees no connection after close, also not in a process that goes on', async () => {
  const { during, after, threads } = await resultOf('open-close.js', { url: redis.url, cycles: 5, port: redis.port });
  expect(during).toBeGreaterThan(0);
  expect(after).toBe(0);
  expect(threads.after).toBeLessThanOrEqual(threads.before);
});
