'use strict';

const { isAway, isReady, useStage } = require('../support/stage');
const { controlledLoader } = require('../support/deferred');
const { change, expectNothingStale, expectOthersKept, seed, writeAsAnother } = require('../support/service');

/** What one process may read after it was cut off from a Redis that others went on using. */
describe('after an outage', () => {
  const stage = useStage();

  async function cutOff({ proxy, backplane }) {
    proxy.blackhole();
    proxy.cut();
    await isAway(backplane);
  }

  async function reconnected({ proxy, backplane }) {
    proxy.cut();
    proxy.flow();
    await isReady(backplane);
  }

  it.each(['', 'app[1]*?\\:'])('cases 19 and 20: with the prefix "%s"', async (keyPrefix) => {
    const opened = await stage.ready({ keyPrefix });
    const { redis, backplane } = opened;
    await seed(redis, keyPrefix);
    await redis.command('SET', 'app1x:cache:h:pattern:1', '"of another"');
    await redis.command('SET', `${keyPrefix}other:h:pattern:1`, '"no cache"');
    await cutOff(opened);
    await change(backplane);
    await writeAsAnother(redis, keyPrefix);
    await reconnected(opened);
    await expectNothingStale(backplane, redis, keyPrefix);
    await expectOthersKept(backplane);
    expect(await redis.command('GET', 'app1x:cache:h:pattern:1')).toBe('"of another"');
    expect(await redis.command('GET', `${keyPrefix}other:h:pattern:1`)).toBe('"no cache"');
  });

  it('case 19: a key that others wrote too is a miss, never the older of the two', async () => {
    const opened = await stage.ready();
    const { redis, backplane } = opened;
    await backplane.cacheSet('k', 'old');
    await cutOff(opened);
    await backplane.cacheSet('k', 'mine');
    await redis.command('SET', 'cache:k', '"theirs"');
    await reconnected(opened);
    expect(await backplane.cacheGet('k')).toBeNull();
  });

  it('case 20: what memory held in one outage is not read in the next', async () => {
    const opened = await stage.ready();
    const { redis, backplane } = opened;
    await cutOff(opened);
    await backplane.cacheSet('k', 'first outage');
    await reconnected(opened);
    await redis.command('SET', 'cache:k', '"theirs"');
    expect(await backplane.cacheGet('k')).toBe('theirs');
    await cutOff(opened);
    expect(await backplane.cacheGet('k')).toBeNull();
    await reconnected(opened);
    expect(await backplane.cacheGet('k')).toBe('theirs');
  });

  it('case 20: what was only read during the outage is not deleted', async () => {
    const opened = await stage.ready();
    const { redis, backplane } = opened;
    await redis.command('SET', 'cache:k', '"theirs"');
    await cutOff(opened);
    expect(await backplane.cacheGet('k')).toBeNull();
    await reconnected(opened);
    expect(await backplane.cacheGet('k')).toBe('theirs');
  });

  it('case 20: a load that began in the outage does not shadow what others wrote', async () => {
    const opened = await stage.ready();
    const { redis, backplane } = opened;
    await cutOff(opened);
    const loader = controlledLoader();
    const loading = backplane.cacheGetOrSet('k', loader);
    await loader.begun;
    await redis.command('SET', 'cache:k', '"theirs"');
    await reconnected(opened);
    loader.finish('mine');
    expect(await loading).toBe('mine');
    expect(await backplane.cacheGet('k')).toBe('theirs');
  });

  it('case 20: a load that spans the outage does not bring back what others deleted', async () => {
    const opened = await stage.ready();
    const { redis, backplane } = opened;
    const loader = controlledLoader();
    const loading = backplane.cacheGetOrSet('k', loader);
    await loader.begun;
    await cutOff(opened);
    await redis.command('DEL', 'cache:k');
    await reconnected(opened);
    loader.finish('old');
    expect(await loading).toBe('old');
    expect(await backplane.cacheGet('k')).toBeNull();
  });

  it('case 19: a load that spans the outage does not bring back what was deleted in it', async () => {
    const opened = await stage.ready();
    const { backplane } = opened;
    const loader = controlledLoader();
    const loading = backplane.cacheGetOrSet('k', loader);
    await loader.begun;
    await cutOff(opened);
    expect(await backplane.cacheDelete('k')).toBe(true);
    loader.finish('old');
    expect(await loading).toBe('old');
    expect(await backplane.cacheGet('k')).toBeNull();
    await reconnected(opened);
    expect(await backplane.cacheGet('k')).toBeNull();
  });

  it('case 19: it ends, although this process goes on writing all the time', async () => {
    const opened = await stage.ready();
    const { redis, proxy, backplane } = opened;
    await seed(redis);
    await cutOff(opened);
    await change(backplane);
    let isOver = false;
    const write = async () => {
      for (let i = 0; !isOver; i += 1) {
        await backplane.cacheSet(`often:${i % 100}`, i);
        await new Promise(setImmediate);
      }
    };
    const writing = write();
    // A round trip is long beside the time between two writes.
    proxy.delay(5);
    await reconnected(opened).finally(() => (isOver = true));
    await writing;
    await expectNothingStale(backplane, redis);
  });

  it('case 19: a pattern that was half done when Redis went away is done when it is back', async () => {
    const opened = await stage.ready();
    const { redis, proxy, backplane } = opened;
    const names = Array.from({ length: 20_000 }, (_, i) => `cache:p:${i}`);
    await redis.command('MSET', ...names.flatMap((name) => [name, '"old"']), 'cache:q:1', '"kept"');
    let steps = 0;
    proxy.onRequest((chunk) => {
      steps += chunk.includes('SCAN');
      if (steps !== 5) return;
      proxy.refuse();
      proxy.cut();
    });
    await backplane.cacheDeletePattern('p:*');
    await isAway(backplane);
    const left = await redis.command('EXISTS', ...names);
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(names.length);
    proxy.onRequest(() => {});
    await proxy.accept();
    await isReady(backplane);
    expect(await redis.command('EXISTS', ...names)).toBe(0);
    expect(await backplane.cacheGet('q:1')).toBe('kept');
  });

  it('case 19: a return that breaks half way is begun again, and keeps no call waiting', async () => {
    const opened = await stage.ready();
    const { redis, proxy, backplane } = opened;
    await seed(redis);
    await cutOff(opened);
    await change(backplane);
    await writeAsAnother(redis);
    let swallowed = 0;
    proxy.onRequest((chunk) => {
      if (!chunk.includes('UNLINK')) return undefined;
      swallowed += 1;
      return null;
    });
    proxy.cut();
    proxy.flow();
    for (let i = 0; swallowed < 3; i += 1) {
      expect(await backplane.cacheSet(`meanwhile:${i}`, i)).toBe(true);
      expect(await backplane.cacheGet(`meanwhile:${i}`)).toBe(i);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(backplane.isRedisAvailable()).toBe(false);
    proxy.onRequest(() => {});
    await isReady(backplane);
    await expectNothingStale(backplane, redis);
    await expectOthersKept(backplane);
    expect(await backplane.cacheGet('meanwhile:0')).toBeNull();
  });

  it('case 21: a key that has expired in memory meanwhile does no harm', async () => {
    const opened = await stage.ready();
    const { redis, backplane } = opened;
    await backplane.cacheSet('k', 'old');
    await cutOff(opened);
    await backplane.cacheSet('k', 'short', 0.001);
    await backplane.cacheSet('other', 1);
    await reconnected(opened);
    expect(await backplane.cacheGet('k')).toBeNull();
    expect(await redis.command('DBSIZE')).toBe(0);
  });
});
