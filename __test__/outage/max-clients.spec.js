'use strict';

const { until } = require('../support');
const { connectionsOf, isAway, isReady, useStage } = require('../support/stage');
const { change, expectAway, expectNothingStale, expectOthersKept, expectService, seed, writeAsAnother } =
  require('../support/service');

const LARGE = 'x'.repeat(300_000);

/** The fixture's own connection takes one place. */
describe('a server that is full', () => {
  const stage = useStage();

  /** How many connections the server has turned away. */
  async function rejectedBy(redis) {
    const [, count] = /rejected_connections:(\d+)/.exec(await redis.command('INFO', 'stats'));
    return Number(count);
  }

  function setLimit(redis, clients) {
    return redis.command('CONFIG', 'SET', 'maxclients', clients);
  }

  it('case 9: away from the start, one clear line, recovers when there is room', async () => {
    const redis = await stage.redis();
    await seed(redis);
    await setLimit(redis, 1);
    const backplane = stage.backplane({ url: redis.url });
    await change(backplane);
    await expectService(backplane);
    await expectAway(backplane);
    expect(backplane.log.story).toEqual(['away']);
    expect(backplane.log.shown[0]).toContain('max number of clients');
    await writeAsAnother(redis);
    await setLimit(redis, 100);
    await isReady(backplane);
    await expectNothingStale(backplane, redis);
    await expectOthersKept(backplane);
    expect(backplane.log.story).toEqual(['away', 'ready']);
  });

  it('case 9: full when the connection has to be replaced', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    await seed(redis);
    await setLimit(redis, 1);
    await redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await isAway(backplane);
    await change(backplane);
    await until(async () => (await rejectedBy(redis)) > 1, { what: 'two attempts have been turned away' });
    await expectService(backplane);
    await expectAway(backplane);
    await setLimit(redis, 100);
    await isReady(backplane);
    await expectNothingStale(backplane, redis);
  });

  it('case 9: room for one connection only is enough for everything', async () => {
    const redis = await stage.redis();
    await setLimit(redis, 2);
    const backplane = stage.backplane({ url: redis.url, commandTimeoutMs: 2000 });
    await isReady(backplane);
    await expectService(backplane);
    expect(await backplane.cacheSet('large', LARGE)).toBe(true);
    expect((await backplane.cacheGet('large'))?.length).toBe(LARGE.length);
    expect(await backplane.cacheGetOrSet('loaded', () => LARGE)).toHaveLength(LARGE.length);
    expect(await backplane.call('EXISTS', 'cache:loaded')).toEqual({ value: 1 });
    expect(await connectionsOf(redis)).toHaveLength(1);
    expect(backplane.log.story).toEqual(['ready']);
  });

  it('case 14: with room for one only, calls do not try to connect one by one', async () => {
    const redis = await stage.redis();
    await setLimit(redis, 2);
    const backplane = stage.backplane({ url: redis.url });
    await isReady(backplane);
    for (let i = 0; i < 200; i += 1) expect(await backplane.call('PING')).toEqual({ value: 'PONG' });
    expect(await rejectedBy(redis)).toBeLessThan(20);
  });
});
