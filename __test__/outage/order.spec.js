'use strict';

const { until } = require('../support');
const { isReady, isStable, useStage } = require('../support/stage');

const KEYS = Array.from({ length: 50 }, (_, i) => `order:${i}`);

/** Calls of one process on one key take effect in the order in which they were made. */
describe('calls that wait for a connection', () => {
  const stage = useStage();

  /** A write and what follows it, none of them awaited. */
  function callAll(backplane) {
    return Promise.all(KEYS.flatMap((key) => [
      backplane.cacheSet(key, 1),
      backplane.cacheDelete(key),
      backplane.cacheSet(key, 2),
      backplane.cacheGet(key),
      backplane.cacheDelete(key),
    ]));
  }

  const EXPECTED = KEYS.flatMap(() => [true, true, true, 2, true]);

  async function expectAllGone(backplane) {
    expect(await Promise.all(KEYS.map((key) => backplane.cacheGet(key)))).toEqual(KEYS.map(() => null));
  }

  it('case 22: calls of the first attempt keep their order on Redis', async () => {
    const redis = await stage.redis();
    const backplane = stage.backplane({ url: redis.url });
    expect(await callAll(backplane)).toEqual(EXPECTED);
    expect(backplane.isRedisAvailable()).toBe(true);
    expect(await redis.command('DBSIZE')).toBe(0);
  });

  it('case 22: calls of a first attempt that fails keep their order in memory', async () => {
    const redis = await stage.redis();
    const proxy = await stage.proxy(redis);
    proxy.refuse();
    const backplane = stage.backplane({ url: proxy.url });
    expect(await callAll(backplane)).toEqual(EXPECTED);
    await expectAllGone(backplane);
    await proxy.accept();
    await isReady(backplane);
    await expectAllGone(backplane);
  });

  it('case 22: calls under which the connection ends keep their order when they are sent again', async () => {
    const { redis, proxy, backplane } = await stage.ready({ commandTimeoutMs: 2000 });
    await isStable(redis);
    let seen = '';
    proxy.onRequest((chunk) => {
      seen += chunk;
    });
    proxy.stall();
    const calls = callAll(backplane);
    await until(() => seen.includes(KEYS.at(-1)), { what: 'the calls have been sent' });
    proxy.cut();
    proxy.flow();
    expect(await calls).toEqual(EXPECTED);
    expect(await redis.command('DBSIZE')).toBe(0);
    await expectAllGone(backplane);
  });

  it('case 22: calls to a server gone silent keep their order in memory', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    redis.pause();
    expect(await callAll(backplane)).toEqual(EXPECTED);
    await expectAllGone(backplane);
    redis.resume();
    await isReady(backplane);
    expect(await redis.command('DBSIZE')).toBe(0);
  });
});
