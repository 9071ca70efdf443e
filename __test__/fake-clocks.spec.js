'use strict';

// Tests of those who use this package install fake clocks, at any time.

const { silent } = require('./support/places');
const { startRedis, uniquePrefix } = require('./support');
const { resultOf } = require('./support/program');
const loadedBefore = require('..');

const FAKES = [
  ['jest', () => jest.useFakeTimers()],
  ['jest, as it used to be', () => jest.useFakeTimers({ legacyFakeTimers: true })],
  ['a nextTick that does nothing', () => jest.spyOn(process, 'nextTick').mockImplementation(() => {})],
];

function loadAnew() {
  let anew;
  jest.isolateModules(() => {
    anew = require('..');
  });
  return anew;
}

let redis;

beforeAll(async () => {
  redis = await startRedis();
});

afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});

afterAll(() => redis.stop());

describe.each(FAKES)('a fake clock: %s', (_title, install) => {
  const open = ({ createBackplane }) => createBackplane({ url: redis.url, keyPrefix: uniquePrefix(), logger: silent });

  test.each([
    ['the package loaded before it', () => loadedBefore, 'before'],
    ['the package loaded under it', loadAnew, 'under'],
  ])('%s: calls are answered, during and after', async (_when, load) => {
    const other = open(loadedBefore);
    expect(await other.cacheSet('k', 'other')).toBe(true);
    install();
    const backplane = open(load());
    const during = Promise.all([backplane.cacheSet('k', 1), backplane.cacheGet('k'), other.cacheGet('k')]);
    jest.useRealTimers();
    jest.restoreAllMocks();
    expect(await during).toEqual([true, 1, 'other']);
    expect(await Promise.all([backplane.cacheGetOrSet('k', () => 2), other.cacheGet('k')])).toEqual([1, 'other']);
    expect(await Promise.all([backplane.close(), other.close()])).toEqual([undefined, undefined]);
  });

  test('a page that many calls made under it leaves the queue as it should be', async () => {
    install();
    const backplane = open(loadAnew());
    const numbers = Array.from({ length: 300 }, (_, i) => i);
    expect(await Promise.all(numbers.map((i) => backplane.cacheSet(`k${i}`, i)))).toEqual(numbers.map(() => true));
    expect(await Promise.all(numbers.map((i) => backplane.cacheGet(`k${i}`)))).toEqual(numbers);
    await backplane.close();
  });
});

test.each(['loaded first', 'loaded last'])('a clock of sinon that stands still, the package %s', async (order) => {
  expect(await resultOf('fake-clock.js', { url: redis.url, order })).toEqual({
    during: [true, 1, 2, 'ready'],
    verdicts: [false, true],
    after: [1, true],
  });
});
