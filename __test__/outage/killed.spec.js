'use strict';

const { until } = require('../support');
const { connectionsOf, isAway, isReady, isStable, useStage } = require('../support/stage');
const { change, expectAway, expectNothingStale, expectService } = require('../support/service');

describe('a server that is killed with -9', () => {
  const stage = useStage();

  it('case 1: while idle: found at once, reconnected without a call', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    await isStable(redis);
    await redis.kill();
    await isAway(backplane);
    await redis.restart();
    await until(async () => (await connectionsOf(redis)).length > 0, { what: 'a connection without a call' });
    await isReady(backplane);
    await expectService(backplane);
    expect(backplane.log.story).toEqual(['ready', 'away', 'ready']);
  });

  it('case 1: restarted empty: what was there is a miss, what memory held is not taken over', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    expect(await backplane.cacheSet('before', 1)).toBe(true);
    await redis.kill();
    await isAway(backplane);
    expect(await backplane.cacheGet('before')).toBeNull();
    await change(backplane);
    await expectService(backplane);
    await expectAway(backplane);
    await redis.restart();
    await isReady(backplane);
    expect(await backplane.cacheGet('before')).toBeNull();
    await expectNothingStale(backplane, redis);
    expect(await redis.command('DBSIZE')).toBe(0);
    await expectService(backplane);
  });

  it('case 1: restarted with the data of before: nothing older than the outage is read', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    await backplane.cacheSet('h:set', 'old');
    await backplane.cacheSet('h:deleted', 'old');
    await backplane.cacheSet('kept', 'old');
    await redis.command('SAVE');
    await redis.kill();
    await isAway(backplane);
    await change(backplane);
    await redis.restart();
    await isReady(backplane);
    await expectNothingStale(backplane, redis);
    expect(await backplane.cacheGet('kept')).toBe('old');
  });

  it('case 19: under load, then restarted, twice', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    const load = stage.load(backplane);
    for (let i = 0; i < 2; i += 1) {
      await load.goesOn();
      await redis.kill();
      await load.goesOn();
      await redis.restart();
      await isReady(backplane);
      await load.goesOn();
    }
    await load.stop();
    expect(load.wrong).toEqual([]);
    await expectService(backplane);
  });
});
