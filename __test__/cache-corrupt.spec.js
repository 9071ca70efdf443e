'use strict';

const { uniquePrefix } = require('./support');
const { onRedis, usePlace } = require('./support/places');
const { resultOf } = require('./support/program');
const { dice } = require('./support/random');

/** Texts that are not JSON, or more than one JSON text. */
const CORRUPT = [
  '', ' ', '\n', '\0', '{', '}', '[', ']', '[1', '2]', '"abc', 'abc"', '"', '{"a":', '{"a":1', '1,2', '1,2,3', '1,2,3,4', '"a","b"',
  '"a",1,2', ',', ',,', '1,', ',1', '],[', '1],[2', '1]', '[1,2],3', '{"a":1},{"a":2}', '{}{}', '1 2', 'undefined', 'NaN', 'nul', 'nulll',
  'tru', "'a'", '-', '+1', '01', '1e', '.5', '0x10', '/*', '1//', '\ufeff1', '"\n"', '"\\x"', '"\\ud8"', '"a\u0000b"', '{a:1}', '{"a":1,}', '[1,]',
  'é', '"é', '漢,字', '😀', '[{"é":1}', '[object Object]', '<html>', 'gzip\x1f', '16777216,16777217', '0]', 'x'.repeat(300_000), `"${'y'.repeat(300_000)}`,
].map((text) => Buffer.from(text)).concat([
  Buffer.from([0xff]),
  Buffer.from([0x22, 0xc3, 0x22]),
  Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]),
  Buffer.from([0x22, 0xf8, 0x88, 0x80, 0x80, 0x80, 0x22]),
  Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0x80, 0xfe]), Buffer.from('"}')]),
  Buffer.from([0x1f, 0x8b, 0x08, 0x00]),
]);

const named = CORRUPT.map((bytes, i) => [i, JSON.stringify(bytes.toString('latin1').slice(0, 40)), bytes]);

const place = usePlace(onRedis);
let cache;
let wire;

beforeEach(async () => {
  const keyPrefix = uniquePrefix();
  wire = (key) => `${keyPrefix}cache:${key}`;
  cache = await place.open({ keyPrefix, commandTimeoutMs: 5000 });
});

const put = (key, bytes) => place.redis.command('SET', wire(key), bytes);

test.each(named)('%i: %s is a miss and harms no neighbour', async (_i, _text, bytes) => {
  await put('bad', bytes);
  await cache.cacheSet('good', ['é', 1]);
  await cache.cacheSet('ascii', { a: 1 });
  const keys = ['good', 'ascii', 'bad', 'bad', 'ascii', 'absent', 'bad', 'good'];
  const read = await Promise.all(keys.map((key) => cache.cacheGet(key)));
  expect(read).toEqual([['é', 1], { a: 1 }, null, null, { a: 1 }, null, null, ['é', 1]]);
  expect(cache.isRedisAvailable()).toBe(true);
});

test.each(named)('%i: %s is replaced by what is loaded', async (_i, _text, bytes) => {
  await put('bad', bytes);
  await cache.cacheSet('good', 'good');
  let runs = 0;
  const load = () => cache.cacheGetOrSet('bad', () => ({ run: ++runs }));
  const first = await Promise.all([load(), cache.cacheGet('good'), load(), cache.cacheSet('other', 1)]);
  expect(first).toEqual([{ run: 1 }, 'good', { run: 1 }, true]);
  expect(await cache.cacheGet('bad')).toEqual({ run: 1 });
  expect(await load()).toEqual({ run: 1 });
});

test.each(named)('%i: %s under two keys is loaded for each', async (_i, _text, bytes) => {
  await Promise.all([put('one', bytes), put('two', bytes)]);
  const keys = ['one', 'two'];
  expect(await Promise.all(keys.map((key) => cache.cacheGetOrSet(key, () => `loaded for ${key}`)))).toEqual([
    'loaded for one',
    'loaded for two',
  ]);
});

test.each(named)('%i: %s is not served in place of a loader that fails', async (_i, _text, bytes) => {
  await put('bad', bytes);
  const error = new Error('provoked by a test');
  await expect(cache.cacheGetOrSet('bad', () => Promise.reject(error), { staleSeconds: 100 })).rejects.toBe(error);
  expect(await cache.cacheGet('bad')).toBeNull();
});

test.each(named)('%i: %s can be deleted, replaced and matched by a pattern', async (_i, _text, bytes) => {
  await put('bad', bytes);
  expect(await cache.cacheDeletePattern('ba*')).toBe(1);
  await put('bad', bytes);
  expect(await cache.cacheDelete('bad')).toBe(true);
  expect(await place.redis.command('EXISTS', wire('bad'))).toBe(0);
  await put('bad', bytes);
  expect(await cache.cacheSet('bad', 'set')).toBe(true);
  expect(await cache.cacheGet('bad')).toBe('set');
});

test.each([1, 2, 3, 4, 5])('corrupt and good ones in random order in one tick (seed %i)', async (seed) => {
  const roll = dice(seed);
  const values = ['a', 1, null, 'é', { a: ['😀'] }, [], '],[', 'x'.repeat(1000), '16777216'];
  const good = Array.from({ length: 50 }, (_, i) => [`good${i}`, roll.pick(values)]);
  const bad = Array.from({ length: 50 }, (_, i) => [`bad${i}`, roll.pick(CORRUPT)]);
  await Promise.all(good.map(([key, value]) => cache.cacheSet(key, value)));
  await Promise.all(bad.map(([key, bytes]) => put(key, bytes)));
  const expected = new Map([...good, ...bad.map(([key]) => [key, null])]);
  for (let round = 0; round < 5; round++) {
    const keys = roll.shuffle([...expected.keys()]);
    const read = await Promise.all(keys.map((key) => cache.cacheGet(key)));
    expect(read).toEqual(keys.map((key) => expected.get(key)));
  }
});

test('a load over a corrupt one leaves the calls of its tick alone', async () => {
  const texts = CORRUPT.map((bytes) => bytes.toString('base64')).filter((text) => text.length < 1000);
  const { url, port } = place.redis;
  expect(await resultOf('load-over-corrupt.js', { url, port, texts })).toEqual([]);
});

test('whoever may not delete loads anew each time, for each key by itself', async () => {
  await place.redis.command('ACL', 'SETUSER', 'careful', 'on', '>secret', '~*', '&*', '+@all', '-unlink', '-del');
  const keyPrefix = uniquePrefix();
  const careful = await place.open({ keyPrefix, username: 'careful', password: 'secret' });
  await Promise.all(['one', 'two'].map((key) => place.redis.command('SET', `${keyPrefix}cache:${key}`, '{')));
  const loaded = ['one', 'two'].map((key) => careful.cacheGetOrSet(key, () => `loaded for ${key}`));
  expect(await Promise.all(loaded)).toEqual(['loaded for one', 'loaded for two']);
});
