'use strict';

const { startRedis } = require('./support');
const { NOBODY } = require('./support/places');
const { dice } = require('./support/random');
const { resultOf } = require('./support/program');

const ENDS = ['leave', 'close', 'exit', 'terminate', 'terminateBusy'];

let redis;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(() => redis.stop());

/** Carries a plan out in a process of its own, which has to end by itself, and well. */
const carryOut = (plan, url = redis.url) => resultOf('threads.js', { url, plan }, { timeoutMs: 25_000 });

const oneAfterTheOther = (count, how) =>
  Array.from({ length: count }, (_, i) => [[['start', i]], [['end', i, how]]]).flat();

describe('worker threads alone load the addon', () => {
  test.each(ENDS)('one after the other, each ends by "%s"', async (how) => {
    expect(await carryOut(oneAfterTheOther(6, how))).toEqual({ left: 0, isLoaded: false });
  });

  test.each(ENDS)('without a server, each ends by "%s"', async (how) => {
    expect(await carryOut(oneAfterTheOther(3, how), NOBODY)).toEqual({ left: 0, isLoaded: false });
  });

  test('the first to load it ends while others live', async () => {
    const plan = [
      [['start', 'first']],
      [['start', 'a'], ['start', 'b']],
      [['end', 'first', 'close']],
      [['call', 'a'], ['call', 'b'], ['start', 'c']],
      [['end', 'a', 'terminate'], ['call', 'c']],
      ...oneAfterTheOther(3, 'leave'),
      [['call', 'b'], ['call', 'c']],
      [['end', 'b', 'leave'], ['end', 'c', 'close']],
      ...oneAfterTheOther(2, 'close'),
    ];
    expect(await carryOut(plan)).toEqual({ left: 0, isLoaded: false });
  });

  test('the last one ends before the next begins, several times', async () => {
    const crowd = (how) => [[0, 1, 2, 3].map((i) => ['start', i]), [0, 1, 2, 3].map((i) => ['end', i, how])];
    const plan = [...crowd('close'), ...crowd('terminateBusy'), ...crowd('leave')];
    expect(await carryOut(plan)).toEqual({ left: 0, isLoaded: false });
  });

  test('terminated while they load it', async () => {
    const plan = Array.from({ length: 8 }, () => [['startAndTerminate'], ['startAndTerminate']]);
    expect(await carryOut([...plan, ...oneAfterTheOther(2, 'close')])).toEqual({ left: 0, isLoaded: false });
  });
});

describe('the main thread loads it too', () => {
  const workers = oneAfterTheOther(2, 'close');
  test.each([
    ['before them', [[['load']], ...workers, [['load']], [['close']]]],
    ['between them', [...workers, [['load']], ...workers, [['close']], ...workers]],
    ['after them', [...workers, [['load']], [['close']], [['load']], [['close']]]],
    ['while they live', [[['start', 'a']], [['load'], ['start', 'b']], [['end', 'a', 'leave'], ['load']], [['close'], ['call', 'b']], [['end', 'b', 'terminate']]]],
  ])('%s', async (_when, plan) => {
    expect(await carryOut(plan)).toEqual({ left: 0, isLoaded: false });
  });
});

/** Workers that overlap in some order, and the main thread at some moments. */
function randomPlan(seed) {
  const { below, pick } = dice(seed);
  const alive = [];
  const plan = [];
  for (let i = 0; i < 10; i++) {
    const wants = below(8);
    if (wants < 4 && alive.length < 4) {
      alive.push(`w${i}`);
      plan.push([['start', `w${i}`]]);
    } else if (wants < 7 && alive.length > 0) {
      plan.push([['end', alive.splice(below(alive.length), 1)[0], pick(ENDS)]]);
    } else {
      plan.push([[pick(['load', 'close'])]], alive.map((name) => ['call', name]));
    }
  }
  return [...plan, alive.map((name) => ['end', name, pick(ENDS)]), [['close']]];
}

test.each([1, 2, 3, 4, 5, 6].map((n) => [n]))('in a random order: seed %i', async (seed) => {
  expect(await carryOut(randomPlan(seed))).toEqual({ left: 0, isLoaded: false });
});
