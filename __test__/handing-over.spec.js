'use strict';

// Calls that cannot be handed over to the native half.

const { queue } = require('../lib/queue');
const { onMemory } = require('./support/places');

/** So many that they are handed over in several parts. */
const MANY = 200;

let place;

beforeAll(async () => {
  place = await onMemory();
});

afterEach(() => place.clear());

const refuses = () => {
  throw new Error('provoked by a test');
};

/** Hands over, and throws all the same. */
function handsOverAndThrows(...args) {
  Object.getPrototypeOf(this).submit.apply(this, args);
  refuses();
}

const mixed = (cache, i) =>
  [
    () => cache.cacheSet(`k${i}`, 'x'.repeat(i * 10)),
    () => cache.cacheGet(`k${i}`),
    () => cache.checkRateLimit(`k${i}`, 1),
    () => cache.setPresence(`u${i}`, `s${i}`),
    () => cache.getClient().publish('channel', Buffer.alloc(10)),
    () => cache.cacheGetOrSet(`k${i}`, () => i),
  ][i % 6]();

const nobodyElses = async (cache) => {
  const numbers = Array.from({ length: MANY }, (_, i) => i);
  expect(await Promise.all(numbers.map((i) => cache.cacheSet(`own${i}`, i)))).toEqual(numbers.map(() => true));
  expect(await Promise.all(numbers.map((i) => cache.cacheGet(`own${i}`)))).toEqual(numbers);
};

test.each([
  ['before anything is handed over', refuses],
  ['after all is handed over', handsOverAndThrows],
])('the native half throws %s: each call rejects, once, and later calls work', async (_when, submit) => {
  const cache = await place.open();
  const calls = queue();
  calls.native.submit = submit;
  const outcomes = await Promise.allSettled(Array.from({ length: MANY }, (_, i) => mixed(cache, i)));
  delete calls.native.submit;
  expect(outcomes.map(({ reason }) => reason?.code)).toEqual(Array(MANY).fill('E_INTERNAL'));
  await nobodyElses(cache);
  await cache.close();
  expect(calls.isEnded).toBe(true);
});

test('a value for which there is no memory rejects alone', async () => {
  const cache = await place.open();
  const calls = queue();
  const before = cache.cacheSet('before', 1);
  jest.spyOn(calls, 'write').mockImplementationOnce(refuses);
  const failed = cache.cacheSet('k', 'x');
  const after = cache.cacheSet('after', 2);
  await expect(failed).rejects.toMatchObject({ code: 'E_INTERNAL' });
  expect(await Promise.all([before, after])).toEqual([true, true]);
  expect(await Promise.all(['before', 'k', 'after'].map((key) => cache.cacheGet(key)))).toEqual([1, null, 2]);
});
