'use strict';

// Every public function with hostile arguments. What there is to call is found in the exports: a new function, of the
// package or of a class of its, needs a row in __test__/programs/misuse.js.

const { startRedis } = require('./support');
const { NOBODY } = require('./support/places');
const { resultOf } = require('./support/program');

describe.each([['redis'], ['memory']])('hostile arguments, on %s', (where) => {
  let redis;

  beforeAll(async () => {
    redis = where === 'redis' ? await startRedis() : null;
  });

  afterAll(() => redis?.stop());

  test('no function throws, rejects without a code, hangs, harms another call or ends the process', async () => {
    const { calls, ...found } = await resultOf('misuse.js', { url: redis?.url ?? NOBODY }, { timeoutMs: 60_000 });
    expect(found).toEqual({ missing: [], gone: [], broken: [] });
    expect(calls).toBeGreaterThan(10_000);
  }, 70_000);
});
