'use strict';

const { startRedis } = require('./support');
const { NOBODY } = require('./support/places');
const { resultOf } = require('./support/program');

const MB = 1024 * 1024;
const CYCLES = { warmUp: 50, cycles: 100 };
/** A leak of a connection, a queue or a store in each cycle would be more. */
const BOUND_BYTES = 24 * MB;

let redis;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(() => redis.stop());

test.each([['redis', () => redis.url], ['memory', () => NOBODY]])('100 backplanes opened, used and closed on %s leave nothing', async (where, urlOf) => {
  const { during, after, threads, rss } = await resultOf(
    'open-close.js',
    { url: urlOf(), port: redis.port, ...CYCLES },
    { nodeArgs: ['--expose-gc'], timeoutMs: 25_000 }
  );
  console.log(`${where}: RSS ${(rss.before / MB).toFixed(1)} → ${(rss.after / MB).toFixed(1)} MB, threads ${threads.before} → ${threads.after}`);
  expect(during > 0).toBe(where === 'redis');
  expect(after).toBe(0);
  expect(threads.after).toBeLessThanOrEqual(threads.before);
  expect(rss.after - rss.before).toBeLessThan(BOUND_BYTES);
});

test('workers that are terminated with large values on their way leave nothing', async () => {
  const argument = { url: redis.url, warmUp: 40, rounds: 80 };
  const { before, after } = await resultOf('worker-values.js', argument, { nodeArgs: ['--expose-gc'], timeoutMs: 90_000 });
  console.log(`80 workers: RSS ${(before / MB).toFixed(1)} → ${(after / MB).toFixed(1)} MB`);
  expect(after - before).toBeLessThan(64 * MB);
}, 100_000);
