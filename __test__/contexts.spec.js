'use strict';

const { startRedis, uniquePrefix } = require('./support');
const { outcomeOf } = require('./support/deferred');
const { NOBODY, silent } = require('./support/places');
const { resultOf } = require('./support/program');

let redis;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(() => redis.stop());

/** The package, loaded anew. */
function loadAnew() {
  let loaded;
  jest.isolateModules(() => {
    loaded = require('..');
  });
  return loaded;
}

describe.each([['redis', () => redis.url], ['memory', () => NOBODY]])('loaded 20 times under jest, on %s', (_where, urlOf) => {
  test('each copy is whole and works beside the others', async () => {
    const copies = Array.from({ length: 20 }, loadAnew);
    expect(new Set(copies.map((copy) => copy.createBackplane)).size).toBe(20);
    const backplanes = copies.map((copy) => copy.createBackplane({ url: urlOf(), logger: silent, keyPrefix: uniquePrefix() }));
    expect(await Promise.all(backplanes.map((one, i) => one.cacheSet('k', { i })))).toEqual(Array(20).fill(true));
    const calls = backplanes.flatMap((one, i) => [one.cacheGet('k'), one.cacheGetOrSet('l', () => i)]);
    expect(await Promise.all(calls)).toEqual(backplanes.flatMap((_, i) => [{ i }, i]));
    for (const backplane of backplanes) {
      const { code, error } = await outcomeOf(backplane.cacheGet(5));
      expect([code, error instanceof TypeError]).toEqual(['E_INVALID_KEY', true]);
    }
    for (const backplane of backplanes) await backplane.close();
  });

  test('closing one copy leaves the others', async () => {
    const [one, other] = [loadAnew(), loadAnew()].map((copy) => copy.createBackplane({ url: urlOf(), logger: silent }));
    await Promise.all([one.cacheSet('k', 1), other.cacheSet('k2', 2)]);
    await one.close();
    expect((await outcomeOf(one.cacheGet('k'))).code).toBe('E_CLOSED');
    expect(await other.cacheGet('k2')).toBe(2);
    await other.close();
  });
});

describe('loaded in contexts of its own, which are dropped and collected', () => {
  const run = () => resultOf('contexts.js', { url: redis.url, count: 20 }, { nodeArgs: ['--expose-gc'] });

  test('it works, and its errors are of that context', async () => {
    const { answers, main } = await run();
    const each = { set: true, get: { text: 'é' }, refused: 'TypeError E_INVALID_KEY', ping: 'PONG' };
    expect(answers.map(({ binary: _, ...rest }) => rest)).toEqual(Array(20).fill(each));
    expect(main).toEqual([true, 1]);
  });

  test('it takes the Buffers of the process', async () => {
    const { answers } = await run();
    expect(answers.map(({ binary }) => binary)).toEqual(Array(20).fill('bytes'));
  });
});
