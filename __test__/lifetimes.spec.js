'use strict';

const fc = require('fast-check');
const { startRedis } = require('./support');
const { ALONE, Stage, WITH_WORKERS, plans } = require('./support/lifetimes');
const { NOBODY } = require('./support/places');

/** So many lifetimes of each kind; `LIFETIMES=100000 LIFETIMES_SEED=7 jest lifetimes` for more, or others. */
const LIFETIMES = Number(process.env.LIFETIMES ?? 9000);
const SEED = Number(process.env.LIFETIMES_SEED ?? 1);
/** As long as a plan is made smaller: each try may take a whole patience. */
const SHRINKING_MS = 90_000;
const TIMEOUT_MS = 2 * SHRINKING_MS + LIFETIMES * 50;
/** Each takes a process, and some dozen milliseconds for each worker. */
const WORKERS_SHARE = 30;

let redis;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(() => redis.stop());

/** Plans until that many lifetimes have begun. What fails is shrunk, and printed with its seed. */
async function live(steps, { length, count, isNewEachTime }) {
  const stage = new Stage([redis.url, NOBODY], { isNewEachTime });
  try {
    for (let seed = SEED; stage.lifetimes < count; seed++) {
      const property = fc.asyncProperty(plans(steps, length), (plan) => stage.check(plan));
      await fc.assert(property, { seed, numRuns: 25, interruptAfterTimeLimit: SHRINKING_MS, markInterruptAsFailure: true });
    }
    console.log(`${stage.lifetimes} lifetimes from seed ${SEED}`);
  } finally {
    await stage.end();
  }
}

test('backplanes and handles, opened, used, closed and ended late in any order', async () => {
  await live(ALONE, { length: 60, count: LIFETIMES });
}, TIMEOUT_MS);

test('with worker threads that begin and end among them, in processes of their own', async () => {
  await live(WITH_WORKERS, { length: 24, count: LIFETIMES / WORKERS_SHARE, isNewEachTime: true });
}, TIMEOUT_MS);
