'use strict';

const { until } = require('../support');
const { isAway, isReady, useStage, wasAway } = require('../support/stage');
const { change, expectNothingStale, expectService, seed } = require('../support/service');

/** The shortest first wait; the bound of the next one is always twice as long. */
const FIRST_WAIT_MS = 25;

describe('a server or network that flaps', () => {
  const stage = useStage();

  /** How many attempts exponential back-off without a reset can have made in a time. */
  function mostAttempts(elapsedMs) {
    return 2 + Math.log2(elapsedMs / FIRST_WAIT_MS + 1);
  }

  const FAULTS = {
    'refuses a connection as soon as it is there': () => true,
    'breaks in the middle of the greeting': (chunk) => chunk.includes('SETNAME'),
    'breaks when the connection is ready': (chunk) => chunk.includes('cache:'),
  };

  it.each(Object.keys(FAULTS))('case 14: %s: back-off is kept, no reconnect per call', async (fault) => {
    const redis = await stage.redis();
    const proxy = await stage.proxy(redis);
    proxy.onRequest((chunk) => {
      if (!FAULTS[fault](chunk)) return undefined;
      proxy.cut();
      return null;
    });
    const begun = performance.now();
    const backplane = stage.backplane({ url: proxy.url });
    let calls = 0;
    while (proxy.accepted < 7) {
      expect(await backplane.cacheSet(`k:${calls}`, calls)).toBe(true);
      expect([calls, null]).toContain(await backplane.cacheGet(`k:${calls}`));
      calls += 1;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(calls).toBeGreaterThan(100);
    expect(proxy.accepted).toBeLessThanOrEqual(mostAttempts(performance.now() - begun));
    proxy.onRequest(() => {});
    await isReady(backplane);
    await expectService(backplane);
  });

  it('case 14: under load, cut again and again: every answer is right', async () => {
    const { redis, proxy, backplane } = await stage.ready();
    await seed(redis);
    const load = stage.load(backplane);
    for (let i = 0; i < 8; i += 1) {
      await load.goesOn();
      proxy.cut();
    }
    proxy.refuse();
    proxy.cut();
    await isAway(backplane);
    await change(backplane);
    await proxy.accept();
    await isReady(backplane);
    await load.goesOn();
    await load.stop();
    expect(load.wrong).toEqual([]);
    await expectNothingStale(backplane, redis);
  });

  it('case 14: a network that loses and finds connections under load: nothing stale is read', async () => {
    const { proxy, backplane } = await stage.ready();
    const load = stage.load(backplane);
    for (let i = 0; i < 3; i += 1) {
      await load.goesOn();
      const lost = proxy.links;
      for (const link of lost) link.flow({ request: false, reply: false });
      await wasAway(backplane, i + 1);
      await isReady(backplane);
      await load.goesOn();
      for (const link of lost) link.flow({ request: true, reply: true });
      await load.goesOn();
    }
    await load.stop();
    expect(load.wrong).toEqual([]);
  });

  it('case 14: only further connections fail: raw commands do not try one each', async () => {
    const { proxy, backplane } = await stage.ready();
    const before = proxy.links;
    proxy.onRequest(() => {
      for (const link of proxy.links) if (!before.includes(link)) link.reset();
    });
    for (let i = 0; i < 200; i += 1) await backplane.call('PING');
    expect(proxy.accepted).toBeLessThan(20);
    expect(backplane.isRedisAvailable()).toBe(true);
    await until(() => proxy.links.length === 1, { what: 'the first connection is left' });
  });
});
