'use strict';

const { freePort, until } = require('../support');
const { isAway, isReady, useStage } = require('../support/stage');
const { change, expectAway, expectNothingStale, expectOthersKept, expectService, seed, writeAsAnother } =
  require('../support/service');

/** Answers, but will not serve: that is away. */
describe('a server that refuses to serve', () => {
  const stage = useStage();

  it('case 10: READONLY after a failover', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    await seed(redis);
    await writeAsAnother(redis);
    await redis.command('REPLICAOF', '127.0.0.1', await freePort());
    await change(backplane);
    await isAway(backplane);
    await expectService(backplane);
    await expectAway(backplane);
    expect(backplane.log.shown.at(-1)).toContain('READONLY');
    await redis.command('REPLICAOF', 'NO', 'ONE');
    await isReady(backplane);
    await expectNothingStale(backplane, redis);
    await expectOthersKept(backplane);
    await expectService(backplane);
    expect(backplane.log.story).toEqual(['ready', 'away', 'ready']);
  });

  it('case 10: READONLY drops the connection, so that the name is resolved again', async () => {
    const { redis, proxy, backplane } = await stage.ready();
    const [former] = proxy.links;
    await redis.command('REPLICAOF', '127.0.0.1', await freePort());
    expect(await backplane.cacheSet('k', 1)).toBe(true);
    expect(await backplane.cacheGet('k')).toBe(1);
    await until(() => !proxy.links.includes(former), { what: 'the connection was dropped' });
    await until(() => proxy.accepted > 1, { what: 'another attempt' });
    await redis.command('REPLICAOF', 'NO', 'ONE');
    await isReady(backplane);
    expect(await backplane.cacheGet('k')).toBeNull();
  });

  it('case 10: a replica without its master (MASTERDOWN)', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    await seed(redis);
    await writeAsAnother(redis);
    await redis.command('CONFIG', 'SET', 'replica-serve-stale-data', 'no');
    await redis.command('REPLICAOF', '127.0.0.1', await freePort());
    expect(await backplane.cacheGet('h:set')).toBeNull();
    await isAway(backplane);
    await change(backplane);
    expect(backplane.log.shown.at(-1)).toContain('MASTERDOWN');
    await redis.command('REPLICAOF', 'NO', 'ONE');
    await isReady(backplane);
    await expectNothingStale(backplane, redis);
    await expectOthersKept(backplane);
  });

  it('case 10: MISCONF after a failed save', async () => {
    const { redis, backplane } = await stage.ready({ args: ['--enable-protected-configs', 'yes'], proxied: false });
    await seed(redis);
    await writeAsAnother(redis);
    await redis.command('CONFIG', 'SET', 'dbfilename', 'not-to-be-written');
    await redis.command('CONFIG', 'SET', 'dir', '/proc');
    await redis.command('CONFIG', 'SET', 'save', '3600 1000000');
    await redis.command('BGSAVE');
    const isFailed = async () => (await redis.command('INFO', 'persistence')).includes('rdb_last_bgsave_status:err');
    await until(isFailed, { what: 'the save has failed' });
    await change(backplane);
    await isAway(backplane);
    await expectService(backplane);
    expect(backplane.log.shown.at(-1)).toContain('MISCONF');
    await redis.command('CONFIG', 'SET', 'save', '');
    await isReady(backplane);
    await expectNothingStale(backplane, redis);
    await expectOthersKept(backplane);
  });

  it('case 10: BUSY with a script of somebody else', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    await seed(redis);
    await redis.command('CONFIG', 'SET', 'busy-reply-threshold', 10);
    const stuck = redis.command('EVAL', 'while true do end', 0).catch(({ message }) => message);
    await change(backplane);
    await isAway(backplane);
    await expectService(backplane);
    expect(backplane.log.shown.at(-1)).toContain('BUSY');
    const other = stage.client(redis);
    await until(() => other.command('SCRIPT', 'KILL').catch(() => false), { what: 'the script is killed' });
    expect(await stuck).toContain('killed');
    await isReady(backplane);
    await expectNothingStale(backplane, redis);
  });
});
