'use strict';

const { isAway, isReady, useStage } = require('../support/stage');
const { unwanted } = require('../support/service');

const LARGE = 'x'.repeat(300_000);

describe('a server that has forgotten the scripts', () => {
  const stage = useStage();

  async function known() {
    const opened = await stage.ready({ proxied: false });
    expect(await opened.backplane.cacheGetOrSet('known', () => 0)).toBe(0);
    return { ...opened, flush: () => opened.redis.command('SCRIPT', 'FLUSH') };
  }

  it('case 13: before the lease: one loader, one value', async () => {
    const { redis, backplane, flush } = await known();
    await flush();
    let runs = 0;
    const loads = Array.from({ length: 10 }, () => backplane.cacheGetOrSet('k', () => (runs += 1)));
    expect(await Promise.all(loads)).toEqual(loads.map(() => 1));
    expect(runs).toBe(1);
    expect(await redis.command('GET', 'cache:k')).toBe('1');
    expect(await backplane.cacheGet('k')).toBe(1);
  });

  it.each([['small', 1], ['large', LARGE]])('case 13: before a %s value is kept: it is kept', async (_size, value) => {
    const { redis, backplane, flush } = await known();
    const load = async () => {
      await flush();
      return value;
    };
    expect((await backplane.cacheGetOrSet('k', load)) === value).toBe(true);
    expect((await backplane.cacheGetOrSet('k', unwanted)) === value).toBe(true);
    expect((await redis.command('GET', 'cache:k')) === JSON.stringify(value)).toBe(true);
  });

  it('case 13: before a lease is given back: the next call loads', async () => {
    const { redis, backplane, flush } = await known();
    const failing = async () => {
      await flush();
      throw Object.assign(new Error('of the loader'), { code: 'E_LOADER' });
    };
    const failed = await backplane.cacheGetOrSet('k', failing).catch(({ code }) => code);
    expect(failed).toBe('E_LOADER');
    expect(await redis.command('EXISTS', 'cache:k')).toBe(0);
    expect(await backplane.cacheGetOrSet('k', () => 2)).toBe(2);
  });

  it('case 13: after a restart', async () => {
    const { redis, backplane } = await known();
    await redis.kill();
    await isAway(backplane);
    await redis.restart();
    await isReady(backplane);
    expect(await backplane.cacheGetOrSet('known', () => 3)).toBe(3);
    expect(await redis.command('GET', 'cache:known')).toBe('3');
  });
});
