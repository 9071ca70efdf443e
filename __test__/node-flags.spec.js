'use strict';

// Node can be told to allow less of JavaScript than it does by itself.

const { startRedis } = require('./support');
const { resultOf } = require('./support/program');

const VALUE = { id: 1, list: [1, 'two', null], deep: { flag: true } };

let redis;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(() => redis.stop());

test.each([
  ['--frozen-intrinsics'],
  ['--disable-proto=throw'],
  ['--disable-proto=delete'],
  ['--disallow-code-generation-from-strings'],
  ['--throw-deprecation'],
])('everything works with %s', async (flag) => {
  expect(await resultOf('everything-once.js', { url: redis.url }, { nodeArgs: [flag] })).toEqual({
    sets: true,
    reads: true,
    loaded: VALUE,
    query: [true, [1], 1],
    session: [true, { userId: 'u' }],
    message: [null, { ok: true }],
    presence: [true, ['u']],
    limit: true,
    lock: ['number', false],
    messages: [{ data: VALUE, channel: 'c' }, { value: 'done', done: true }],
    error: 'E_INVALID_KEY',
    metrics: ['string', true, 'ok'],
    handle: [['d', '1'], 'OK', 'hello'],
  });
});
