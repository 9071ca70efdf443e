'use strict';

// What holds only where calls are answered from memory: its bounds.

const { onMemory } = require('./support/places');

let place;

beforeAll(async () => {
  place = await onMemory();
});

afterEach(() => place.clear());

const numbers = (count) => Array.from({ length: count }, (_, i) => i);

/** The values of `k0`, `k1`, … that are there. */
async function kept(cache, count) {
  const read = await Promise.all(numbers(count).map((i) => cache.cacheGet(`k${i}`)));
  return read.filter((value) => value !== null);
}

test('never more entries than allowed, and not many fewer', async () => {
  const cache = await place.open({ memory: { maxEntries: 100 } });
  for (let round = 0; round < 10; round++) {
    await Promise.all(numbers(1000).map((i) => cache.cacheSet(`k${i}`, { round, i })));
    const there = await kept(cache, 1000);
    expect(there.length).toBeLessThanOrEqual(100);
    expect(there.length).toBeGreaterThan(50);
  }
});

test('never more bytes than allowed, whatever the sizes', async () => {
  const maxBytes = 1_000_000;
  const cache = await place.open({ memory: { maxBytes } });
  await Promise.all(numbers(2000).map((i) => cache.cacheSet(`k${i}`, 'x'.repeat((i * 7919) % 20_000))));
  const bytes = (await kept(cache, 2000)).reduce((sum, value) => sum + value.length, 0);
  expect(bytes).toBeLessThanOrEqual(maxBytes);
  expect(bytes).toBeGreaterThan(maxBytes / 2);
});

test('what is read again and again stays', async () => {
  const cache = await place.open({ memory: { maxEntries: 100 } });
  await cache.cacheSet('hot', 'v');
  for (const i of numbers(2000)) {
    const [, read] = await Promise.all([cache.cacheSet(`k${i}`, i), cache.cacheGet('hot')]);
    expect(read).toBe('v');
  }
});

test('a value that is larger than the memory is not kept, nor is the old one', async () => {
  const cache = await place.open({ memory: { maxBytes: 10_000 } });
  const large = 'x'.repeat(20_000);
  expect(await cache.cacheSet('k', 'old')).toBe(true);
  expect(await cache.cacheSet('k', large)).toBe(false);
  expect(await cache.cacheGet('k')).toBeNull();
  expect((await cache.cacheGetOrSet('k', () => large)) === large).toBe(true);
  expect(await cache.cacheGet('k')).toBeNull();
  expect(await cache.cacheSet('k', 'new')).toBe(true);
  expect(await cache.cacheGet('k')).toBe('new');
});

test('the smallest memory works', async () => {
  const cache = await place.open({ memory: { maxEntries: 1, maxBytes: 1 } });
  expect(await cache.cacheSet('k', 1)).toBe(false);
  expect(await cache.cacheGet('k')).toBeNull();
  expect(await cache.cacheGetOrSet('k', () => 'loaded')).toBe('loaded');
  const one = await place.open({ memory: { maxEntries: 1 } });
  expect(await one.cacheSet('a', 1)).toBe(true);
  await one.cacheSet('b', 2);
  const left = await Promise.all(['a', 'b'].map((key) => one.cacheGet(key)));
  expect(left.filter((value) => value !== null).length).toBeLessThanOrEqual(1);
});

test('two backplanes do not share it', async () => {
  const [one, other] = [await place.open({ keyPrefix: '' }), await place.open({ keyPrefix: '' })];
  await one.cacheSet('k', 1);
  expect(await other.cacheGet('k')).toBeNull();
  await other.cacheDeletePattern('*');
  expect(await one.cacheGet('k')).toBe(1);
});
