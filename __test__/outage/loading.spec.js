'use strict';

const { isAway, isReady, useStage } = require('../support/stage');
const { change, expectAway, expectNothingStale, expectOthersKept, expectService, seed, writeAsAnother } =
  require('../support/service');

const KEYS = 5000;
const KEY_BYTES = 2048;
/** Microseconds for each key: a minute for all, unless it is told to hurry. */
const SLOWLY = ['--key-load-delay', '12000', '--loading-process-events-interval-bytes', '1024'];

describe('a server that is loading its data', () => {
  const stage = useStage();

  async function withData() {
    const redis = await stage.redis({ args: ['--enable-debug-command', 'yes', '--rdbcompression', 'no'] });
    await redis.command('DEBUG', 'POPULATE', KEYS, 'filler', KEY_BYTES);
    await seed(redis);
    await writeAsAnother(redis);
    await redis.command('SAVE');
    return redis;
  }

  function hurry(redis) {
    return redis.command('CONFIG', 'SET', 'key-load-delay', 0);
  }

  async function expectLoading(redis) {
    await expect(redis.command('GET', 'k')).rejects.toThrow('LOADING');
  }

  it('case 10: at start', async () => {
    const redis = await withData();
    await redis.restart(SLOWLY);
    await expectLoading(redis);
    const backplane = stage.backplane({ url: redis.url });
    await change(backplane);
    await expectService(backplane);
    await expectAway(backplane);
    expect(backplane.log.story).toEqual(['away']);
    expect(backplane.log.shown[0]).toContain('LOADING');
    await expectLoading(redis);
    await hurry(redis);
    await isReady(backplane);
    await expectNothingStale(backplane, redis);
    await expectOthersKept(backplane);
    expect(backplane.log.story).toEqual(['away', 'ready']);
  });

  it('case 10: after a restart', async () => {
    const redis = await withData();
    const backplane = stage.backplane({ url: redis.url });
    await isReady(backplane);
    expect(await backplane.cacheGet('h:set')).toBe('old');
    await redis.kill();
    await isAway(backplane);
    await redis.restart(SLOWLY);
    await change(backplane);
    await expectService(backplane);
    await expectLoading(redis);
    await hurry(redis);
    await isReady(backplane);
    await expectNothingStale(backplane, redis);
    await expectOthersKept(backplane);
  });
});
