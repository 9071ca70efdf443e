'use strict';

const { until } = require('../support');
const { isAway, isReady, useStage } = require('../support/stage');
const {
  change, expectAway, expectNothingStale, expectOthersKept, expectService, seed, writeAsAnother,
} = require('../support/service');

/** A heartbeat finds a dead connection within this time, without a call. */
const FOUND_WITHIN = { timeoutMs: 3000, what: 'the dead connection is found' };

describe('a connection that is open but dead', () => {
  const stage = useStage();

  it('case 6: found while idle, and replaced by itself', async () => {
    const { proxy, backplane } = await stage.ready();
    await backplane.cacheSet('k', 1);
    for (const link of proxy.links) link.flow({ request: false, reply: false });
    await until(() => proxy.accepted === 2, FOUND_WITHIN);
    await isReady(backplane);
    expect(await backplane.cacheGet('k')).toBe(1);
    await expectService(backplane);
  });

  it('case 6: found while idle when only the answers are lost', async () => {
    const { proxy, backplane } = await stage.ready();
    for (const link of proxy.links) link.flow({ request: true, reply: false });
    await until(() => proxy.accepted === 2, FOUND_WITHIN);
    await isReady(backplane);
    await expectService(backplane);
  });

  it('case 6: with the default deadlines', async () => {
    const { proxy, backplane } = await stage.ready({ connectTimeoutMs: 2000, commandTimeoutMs: 1000 });
    proxy.blackhole();
    await until(() => !backplane.isRedisAvailable(), FOUND_WITHIN);
    await expectService(backplane);
    proxy.flow();
    await isReady(backplane);
  });

  it('case 6: a black hole, in use: nothing is stale and nothing shadowed afterwards', async () => {
    const { redis, proxy, backplane } = await stage.ready();
    await seed(redis);
    proxy.blackhole();
    await change(backplane);
    await isAway(backplane);
    await writeAsAnother(redis);
    await expectService(backplane);
    await expectAway(backplane);
    proxy.flow();
    await isReady(backplane);
    await expectNothingStale(backplane, redis);
    await expectOthersKept(backplane);
    expect(backplane.log.story).toEqual(['ready', 'away', 'ready']);
  });

  it('case 6: calls made while a new connection is tried keep their deadline', async () => {
    const { proxy, backplane } = await stage.ready({ connectTimeoutMs: 2000 });
    proxy.blackhole();
    await isAway(backplane);
    const attempts = proxy.accepted;
    await until(() => proxy.accepted > attempts, { what: 'an attempt is under way' });
    await expectService(backplane);
  });
});
