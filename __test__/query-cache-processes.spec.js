'use strict';

const { startRedis } = require('./support');
const { startRemote } = require('./support/remote');
const { until } = require('./support/until');

const PROCESSES = 3;
const TASKS = 16;
const ROUNDS = 100_000;

/** Several servers on one table: readers that fill the cache, and writers that invalidate. */
describe('queries of several processes', () => {
  const closers = [];

  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  async function servers({ isFenced }) {
    const [redis, table] = [await startRedis(), await startRedis()];
    closers.push(() => redis.stop(), () => table.stop());
    const options = { url: redis.url, tableUrl: table.url, isFenced, rows: 20, degradedTtlSeconds: 2 };
    const workers = await Promise.all(Array.from({ length: PROCESSES }, () => startRemote('query-cache-worker.js', options)));
    closers.push(...workers.map((worker) => () => worker.stop()));
    return { redis, workers };
  }

  const sum = (all, name) => all.reduce((total, one) => total + one[name], 0);

  async function reach(workers, rounds) {
    let seen;
    await until(async () => {
      seen = await Promise.all(workers.map((worker) => worker.run(({ seen: own }) => own)));
      return sum(seen, 'rounds') >= rounds;
    }, { what: `${rounds} rounds`, timeoutMs: 120_000, everyMs: 50 });
    return seen;
  }

  test('never stale, also when Redis is killed and comes back empty', async () => {
    const { redis, workers } = await servers({ isFenced: true });
    await Promise.all(workers.map((worker) => worker.run(({ begin }, tasks) => begin(tasks), TASKS)));
    await reach(workers, ROUNDS / 3);
    await redis.kill();
    const before = sum(await reach(workers, ROUNDS / 3 + 2000), 'changes');
    await redis.restart();
    await reach(workers, ROUNDS);
    const seen = await Promise.all(workers.map((worker) => worker.run(({ end }) => end())));
    expect(seen.flatMap(({ stale }) => stale)).toEqual([]);
    expect(sum(seen, 'rounds')).toBeGreaterThanOrEqual(ROUNDS);
    expect(sum(seen, 'hits')).toBeGreaterThan(ROUNDS / 10);
    expect(sum(seen, 'invalidations')).toBeGreaterThan(ROUNDS / 100);
    expect(sum(seen, 'changes')).toBeGreaterThan(before);
  }, 180_000);

  test('the same without the fence is stale', async () => {
    const { workers } = await servers({ isFenced: false });
    await Promise.all(workers.map((worker) => worker.run(({ begin }, tasks) => begin(tasks), TASKS)));
    await until(async () => {
      const seen = await Promise.all(workers.map((worker) => worker.run(({ seen: own }) => own)));
      return seen.some(({ stale }) => stale.length > 0);
    }, { what: 'something stale is read', timeoutMs: 60_000, everyMs: 50 });
    const seen = await Promise.all(workers.map((worker) => worker.run(({ end }) => end())));
    expect(sum(seen, 'staleCount')).toBeGreaterThan(0);
  }, 120_000);
});
