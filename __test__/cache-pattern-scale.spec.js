'use strict';

const { startRedis } = require('./support');
const { silent } = require('./support/places');
const { resultOf } = require('./support/program');
const { createBackplane } = require('..');

const MILLION = 1_000_000;
const OTHERS = 1000;

let redis;

beforeAll(async () => {
  redis = await startRedis({ args: ['--enable-debug-command', 'yes'] });
});

afterAll(() => redis.stop());

const rounded = (figures) => JSON.stringify(figures, (_key, value) => (Number.isFinite(value) ? Number(value.toFixed(2)) : value));

test('a pattern removes its million keys and no other, in bounded memory, beside other calls', async () => {
  await redis.command('DEBUG', 'POPULATE', MILLION, 'cache:x', 10);
  await redis.command('DEBUG', 'POPULATE', OTHERS, 'cache:y', 10);
  await redis.command('DEBUG', 'POPULATE', OTHERS, 'lock:x', 10);
  const lookalikes = ['cache:x', 'cache:xx:1', 'cache:X:1', 'x:1', 'cache:cache:x:1', 'acache:x:1'];
  for (const key of lookalikes) await redis.command('SET', key, '"kept"');

  const { rssGrowthMb, removed, gets, wrong, ...figures } = await resultOf(
    'pattern-scale.js',
    { url: redis.url, pattern: 'x:*' },
    { nodeArgs: ['--expose-gc'], timeoutMs: 60_000 }
  );
  console.log(`cacheDeletePattern over ${MILLION} keys: ${rounded({ ...figures, removed, gets, rssGrowthMb })}`);

  expect(removed).toBe(MILLION);
  expect(figures.keysBefore - figures.keysAfter).toBe(MILLION);
  for (const key of lookalikes) expect(await redis.command('GET', key)).toBe('"kept"');
  for (const prefix of ['cache:y', 'lock:x']) {
    for (const i of [0, 1, OTHERS - 1]) expect(await redis.command('EXISTS', `${prefix}:${i}`)).toBe(1);
  }
  expect(await redis.command('DBSIZE')).toBe(2 * OTHERS + lookalikes.length + 1);
  expect(rssGrowthMb).toBeLessThan(30);
  expect(wrong).toBe(0);
  // Many more than would fit between a few long steps.
  expect(gets).toBeGreaterThan(100);
}, 90_000);

test('keys that are set and deleted meanwhile disturb neither the scan nor the count', async () => {
  await redis.command('DEBUG', 'POPULATE', 100_000, 'cache:z', 10);
  const [one, other] = [createBackplane({ url: redis.url, logger: silent }), createBackplane({ url: redis.url, logger: silent })];
  try {
    await Promise.all([one.cacheGet('settled'), other.cacheGet('settled')]);
    const counts = [one.cacheDeletePattern('z:*'), other.cacheDeletePattern('z:*')];
    const sets = Array.from({ length: 2000 }, (_, i) => other.cacheSet(`zz:${i}`, i));
    const [first, second] = await Promise.all(counts);
    await Promise.all(sets);
    // Each key is counted by the one that removed it.
    expect(first + second).toBe(100_000);
    expect(await one.cacheDeletePattern('zz:*')).toBe(2000);
  } finally {
    await one.close();
    await other.close();
  }
});
