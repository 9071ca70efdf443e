'use strict';

// Random mixtures of everything that crosses between JavaScript and the I/O thread, against a model. More of them
// with MIXED_ANSWERS=10000000; another seed with MIXED_SEED.

const { startRedis } = require('./support');
const { resultOf } = require('./support/program');

const ANSWERS = Number(process.env.MIXED_ANSWERS ?? 1_000_000);
const CALLS = ANSWERS / 50;
const SEED = Number(process.env.MIXED_SEED ?? Date.now() % 2 ** 31);
/** Some hundred times what a call takes. */
const TIMEOUT_MS = Math.max(60_000, ANSWERS);

let redis;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(() => redis.stop());

const run = (file, given) => resultOf(file, { url: redis.url, port: redis.port, seed: SEED, ...given }, { timeoutMs: TIMEOUT_MS });

test('every answer, message and event is what was written for it, whatever is stored beside it', async () => {
  const { taken } = await run('completion-mixtures.js', { answers: ANSWERS });
  expect(taken).toBeGreaterThanOrEqual(ANSWERS);
}, TIMEOUT_MS);

test('every call arrives with its own name, numbers and value, whatever is called beside it', async () => {
  const { taken } = await run('submission-mixtures.js', { calls: CALLS });
  expect(taken).toBeGreaterThanOrEqual(CALLS);
}, TIMEOUT_MS);
