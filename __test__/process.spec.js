'use strict';

const path = require('node:path');
const { startProxy, startRedis } = require('./support');
const { NOBODY } = require('./support/places');
const { resultOf, runProgram } = require('./support/program');

let redis;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(() => redis.stop());

describe('a process ends by itself', () => {
  test.each([
    ['calls', { set: true, get: 1, available: true }],
    ['command', 'hello'],
    ['load', 'v'],
    ['manyBackplanes', Array(20).fill(true)],
    ['handle', 'string'],
    ['availability', false],
  ])('with an idle connection, after %s', async (use, result) => {
    expect(await resultOf('idle.js', { use, options: { url: redis.url } })).toEqual(result);
  });

  test.each([
    ['calls', { set: true, get: 1, available: false }],
    ['load', 'v'],
    ['manyBackplanes', Array(20).fill(true)],
    ['handle', 'string'],
    ['availability', false],
  ])('while Redis is away and reconnecting goes on, after %s', async (use, result) => {
    expect(await resultOf('idle.js', { use, options: { url: NOBODY } })).toEqual(result);
  });

  test('with the default backplane', async () => {
    const env = { REDIS_URL: redis.url };
    const { code, stdout, stderr } = await runProgram('idle.js', { use: 'calls' }, { env });
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout.trim().split('\n').at(-1))).toEqual({ set: true, get: 1, available: true });
  });

  test('while a connection attempt hangs', async () => {
    const proxy = await startProxy(redis.port);
    proxy.blackhole();
    try {
      const options = { url: proxy.url, connectTimeoutMs: 100, commandTimeoutMs: 100 };
      expect(await resultOf('idle.js', { use: 'handle', options })).toBe('string');
      expect(await resultOf('idle.js', { use: 'calls', options })).toEqual({ set: true, get: 1, available: false });
    } finally {
      proxy.close();
    }
  });
});

describe('a pending call keeps a process alive', () => {
  test.each([['pending', null], ['command', 'hello'], ['load', 'v']])('until its answer is printed: %s', async (use, result) => {
    const proxy = await startProxy(redis.port);
    proxy.delay(50);
    try {
      expect(await resultOf('idle.js', { use, options: { url: proxy.url, connectTimeoutMs: 10_000, commandTimeoutMs: 5000 } })).toBe(result);
    } finally {
      proxy.close();
    }
  });

  test('also one that waits for a connection that never comes', async () => {
    const proxy = await startProxy(redis.port);
    proxy.blackhole();
    try {
      const options = { url: proxy.url, connectTimeoutMs: 200, commandTimeoutMs: 200 };
      expect(await resultOf('idle.js', { use: 'pending', options })).toBeNull();
    } finally {
      proxy.close();
    }
  });
});

describe('a process that ends in the middle of its calls crashes in no other way', () => {
  test.each([['exit', 7], ['exception', 1], ['rejection', 1]])('by %s', async (how, expected) => {
    for (let round = 0; round < 5; round++) {
      const { code, signal } = await runProgram('abrupt.js', { url: redis.url, how });
      expect({ code, signal }).toEqual({ code: expected, signal: null });
    }
  });
});

test('nothing is left open but what keeps the process alive, as async_hooks shows it', async () => {
  expect(await resultOf('open-handles.js', { url: redis.url })).toEqual({
    loaded: [],
    idle: [],
    subscribed: ['redis-backplane'],
    unsubscribed: [],
    closed: [],
  });
});

test('a panic inside is an error of that call, and the rest goes on', async () => {
  const { code, stdout, stderr } = await runProgram('panics.js', { url: redis.url });
  expect({ code, ...JSON.parse(stdout) }).toEqual({
    code: 0,
    outcomes: [true, true, true],
    codes: ['E_INTERNAL', 'E_INTERNAL', 'E_INTERNAL'],
    works: [1, true],
  });
  // Where the panics were, each place once, and not what they say.
  const places = stderr.trim().split('\n');
  expect(places).toEqual(Array(3).fill(expect.stringMatching(/src\/binding\/queue\.rs:\d+:\d+$/)));
  expect(new Set(places).size).toBe(3);
  expect(stderr).not.toContain(String(2 ** 31));
});

test('jest ends by itself after close, and finds no open handle', async () => {
  const jest = path.join(path.dirname(require.resolve('jest/package.json')), 'bin', 'jest.js');
  const { code, stdout, stderr } = await runProgram('run-jest.js', { jest, url: redis.url }, { timeoutMs: 25_000 });
  expect({ code, told: stdout + stderr }).toEqual({ code: 0, told: expect.stringMatching(/1 passed/) });
  expect(stdout + stderr).not.toMatch(/open handle|did not exit|Cannot log after/i);
});
