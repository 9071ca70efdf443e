'use strict';

// Answers of scripts that are nested deeper than they can be read.

const { outcomeOf } = require('./support/deferred');
const { onRedis, usePlace } = require('./support/places');

describe('an answer that is nested very deep', () => {
  const place = usePlace(onRedis);
  const LARGE = 'x'.repeat(600_000);

  const script = (depth) => `local t = 1 for i = 1, ${depth} do t = {t} end return t`;

  function depthOf(value) {
    let depth = 0;
    for (let one = value; Array.isArray(one); [one] = one) depth += 1;
    return depth;
  }

  test.each([1, 50, 99, 100, 101, 150, 190])('%i deep is a value or a call that failed, and harms no other', async (depth) => {
    const backplane = await place.open();
    const client = backplane.getClient();
    const states = [];
    for (const event of ['close', 'reconnecting', 'error']) client.on(event, () => states.push(event));
    await backplane.cacheSet('small', 1);
    await backplane.cacheSet('large', LARGE);
    const [before, nested, ...others] = await Promise.all([
      client.call('ECHO', 'before'),
      outcomeOf(client.call('EVAL', script(depth), 0)),
      client.call('ECHO', 'after'),
      client.call('eval', 'return {1, {2}}', '0'),
      client.sendCommand(['ECHO', 'last']),
      backplane.cacheGet('small'),
      backplane.cacheGet('large'),
      backplane.cacheSet('small', 2),
    ]);
    expect([before, ...others]).toEqual(['before', 'after', [1, [2]], 'last', 1, LARGE, true]);
    if (nested.code === undefined) expect(depthOf(nested.value)).toBe(depth);
    else expect(nested.code).toMatch(/^E_(UNAVAILABLE|REPLY)$/);
    expect(nested.code === undefined || depth >= 100).toBe(true);
    expect([states, client.status, await backplane.cacheGet('small')]).toEqual([[], 'ready', 2]);
  });
});
