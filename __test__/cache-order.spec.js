'use strict';

const { isDeepStrictEqual } = require('node:util');
const { dice } = require('./support/random');
const { PLACES, usePlace } = require('./support/places');

/** What program order gives: the calls on a plain Map, one after the other. */
function expectedOf(calls) {
  const map = new Map();
  return calls.map(([what, key, value]) => {
    if (what === 'get') return map.get(key) ?? null;
    if (what === 'set') map.set(key, value);
    else map.delete(key);
    return true;
  });
}

/** All calls in one tick, none awaited before the last has been made. */
function makeAll(cache, calls) {
  const make = { get: cache.cacheGet, set: cache.cacheSet, delete: cache.cacheDelete };
  return Promise.all(calls.map(([what, ...args]) => make[what](...args)));
}

/** Where the answers are not those of program order; the first few, so that a failure can be read. */
function differences(answers, calls) {
  const found = expectedOf(calls).map((expected, i) => ({ call: calls[i], expected, got: answers[i] }));
  return found.filter(({ expected, got }) => !isDeepStrictEqual(expected, got)).slice(0, 3);
}

/** Calls about few keys, so that each meets what many others left. */
function randomCalls(seed, count, keys) {
  const roll = dice(seed);
  return Array.from({ length: count }, (_, i) => {
    const key = roll.pick(keys);
    const what = roll.pick(['set', 'get', 'get', 'delete']);
    return what === 'set' ? [what, key, { i }] : [what, key];
  });
}

const KEYS = ['a', 'b', 'é', '😀', '__proto__', 'x'.repeat(40)];

describe.each(PLACES)('calls of one tick on %s', (_where, start) => {
  const place = usePlace(start);

  test('10,000 are answered, each its own', async () => {
    const cache = await place.open();
    const numbers = Array.from({ length: 5000 }, (_, i) => i);
    const sets = numbers.map((i) => cache.cacheSet(`k${i}`, { i }));
    const gets = numbers.map((i) => cache.cacheGet(`k${i}`));
    expect(new Set(await Promise.all(sets))).toEqual(new Set([true]));
    expect(await Promise.all(gets)).toEqual(numbers.map((i) => ({ i })));
    expect(await makeAll(cache, numbers.map((i) => ['delete', `k${i}`]))).toEqual(numbers.map(() => true));
    expect(await makeAll(cache, numbers.map((i) => ['get', `k${i}`]))).toEqual(numbers.map(() => null));
  });

  test('set, get, delete, get of a key happen in that order', async () => {
    const cache = await place.open();
    const calls = Array.from({ length: 2500 }, (_, i) => [
      ['set', 'k', i],
      ['get', 'k'],
      ['delete', 'k'],
      ['get', 'k'],
    ]).flat();
    expect(differences(await makeAll(cache, calls), calls)).toEqual([]);
  });

  test.each([1, 2, 3])('10,000 in random order happen in that order (seed %i)', async (seed) => {
    const cache = await place.open();
    const calls = randomCalls(seed, 10_000, KEYS);
    expect(differences(await makeAll(cache, calls), calls)).toEqual([]);
  });

  test('the order holds from tick to tick, while earlier answers are still coming', async () => {
    const cache = await place.open();
    const calls = randomCalls(4, 5000, KEYS);
    const answers = [];
    for (let from = 0; from < calls.length; from += 100) {
      answers.push(makeAll(cache, calls.slice(from, from + 100)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(differences((await Promise.all(answers)).flat(), calls)).toEqual([]);
  });

  test.each([5, 6, 7])('the very first calls, which wait for the connection, keep their order (seed %i)', async (seed) => {
    const cache = place.openCold();
    const calls = randomCalls(seed, 2000, KEYS);
    expect(differences(await makeAll(cache, calls), calls)).toEqual([]);
  });

  test('of 100 sets that wait for the connection, the last one stays', async () => {
    const cache = place.openCold();
    const sets = Array.from({ length: 100 }, (_, i) => cache.cacheSet('k', i));
    const get = cache.cacheGet('k');
    await Promise.all(sets);
    expect([await get, await cache.cacheGet('k')]).toEqual([99, 99]);
  });

  test('two backplanes in one tick do not mix', async () => {
    const [one, other] = [await place.open(), await place.open()];
    const calls = randomCalls(8, 2000, KEYS);
    const marked = (mark) => calls.map(([what, key, value]) => [what, key, value && { ...value, mark }]);
    const [ones, others] = [marked('one'), marked('other')];
    const answers = ones.map((call, i) => [makeAll(one, [call]), makeAll(other, [others[i]])]);
    const of = async (which) => (await Promise.all(answers.map((pair) => pair[which]))).flat();
    expect(differences(await of(0), ones)).toEqual([]);
    expect(differences(await of(1), others)).toEqual([]);
  });
});
