'use strict';

const { until } = require('../support');
const { isReady, isStable, useStage } = require('../support/stage');

const HELD = { request: false, reply: false };
const LARGE = 'x'.repeat(300_000);

/** Whatever the server or the network does. The stage watches that every call ends in time. */
describe('the deadline of a call', () => {
  const stage = useStage();

  function tenTimes(call) {
    return Promise.all(Array.from({ length: 10 }, (_, i) => call(i)));
  }

  async function expectFailures(answers) {
    for (const { code } of answers) expect(['E_TIMEOUT', 'E_UNAVAILABLE']).toContain(code);
  }

  it('case 6: raw commands, the first ones, on a server that is stopped', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    redis.pause();
    await expectFailures(await tenTimes(() => backplane.call('GET', 'k')));
  });

  it('case 6: raw commands, not the first ones, on a server that is stopped', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    expect(await backplane.call('PING')).toEqual({ value: 'PONG' });
    redis.pause();
    await expectFailures(await tenTimes(() => backplane.call('GET', 'k')));
  });

  it('case 6: large values, the first ones, when a second connection gets no answer', async () => {
    const { redis, proxy, backplane } = await stage.ready();
    await redis.command('SET', 'cache:k', `"${LARGE}"`);
    proxy.blackhole();
    for (const link of proxy.links) link.flow({ request: true, reply: true });
    const lengths = (await tenTimes(() => backplane.cacheGet('k'))).map((value) => value?.length);
    for (const length of lengths) expect([LARGE.length, undefined]).toContain(length);
    expect(await backplane.cacheSet('small', 1)).toBe(true);
    expect(await backplane.cacheGet('small')).toBe(1);
  });

  it('case 6: large values when the second connection has died', async () => {
    const { proxy, backplane } = await stage.ready();
    await backplane.cacheSet('k', LARGE);
    proxy.links[1].flow(HELD);
    const calls = [
      backplane.cacheGet('k'),
      backplane.cacheSet('large', LARGE),
      backplane.cacheGetOrSet('loaded', () => LARGE),
      backplane.call('PING'),
    ];
    await Promise.all(calls);
    const isRead = async () => (await backplane.cacheGet('k'))?.length === LARGE.length;
    await until(isRead, { what: 'large values are read again' });
    expect(await backplane.cacheSet('large', LARGE)).toBe(true);
  });

  it('case 6: patterns on a server that is stopped: each of their steps', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    redis.pause();
    expect(await tenTimes((i) => backplane.cacheDeletePattern(`${i}:*`))).toEqual(Array(10).fill(0));
  });

  it('case 6: calls while the connection is being replaced', async () => {
    const { redis, proxy, backplane } = await stage.ready({ connectTimeoutMs: 8000 });
    await isStable(redis);
    proxy.blackhole();
    proxy.cut();
    await until(() => proxy.accepted === 2, { what: 'a new connection' });
    const calls = [
      backplane.cacheGet('k'),
      backplane.cacheSet('set', 1),
      backplane.cacheDelete('deleted'),
      backplane.cacheDeletePattern('none:*'),
      backplane.cacheGetOrSet('loaded', () => 2),
      backplane.call('PING'),
    ];
    expect(await Promise.all(calls)).toEqual([null, true, true, 0, 2, { code: 'E_UNAVAILABLE' }]);
    expect(await backplane.cacheGet('set')).toBe(1);
    proxy.cut();
    proxy.flow();
    await isReady(backplane);
    expect(await backplane.cacheGet('set')).toBeNull();
  });
});
