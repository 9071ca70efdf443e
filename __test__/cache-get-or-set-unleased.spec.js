'use strict';

const { isAway, isReady, useStage } = require('./support/stage');
const { controlledLoader } = require('./support/deferred');

/** What is loaded where the server gives no right to keep it: it may not be written by this user. */
describe('loading without a lease', () => {
  const stage = useStage();

  async function reader() {
    const redis = await stage.redis();
    await redis.command('ACL', 'SETUSER', 'reader', 'reset', 'on', '>secret', '~*', '&*', '+@all', '-set', '-eval', '-evalsha');
    const backplane = stage.backplane({ url: `redis://reader:secret@127.0.0.1:${redis.port}` });
    await isReady(backplane);
    return { redis, backplane };
  }

  it('a value that is set during the load stays, also when an outage comes in between', async () => {
    const { redis, backplane } = await reader();
    const loader = controlledLoader();
    const loaded = backplane.cacheGetOrSet('k', loader);
    await loader.begun;
    await redis.kill();
    await isAway(backplane);
    expect(await backplane.cacheSet('k', 'set')).toBe(true);
    loader.finish('loaded');
    expect(await loaded).toBe('loaded');
    expect(await backplane.cacheGet('k')).toBe('set');
  });

  it('runs once for all callers, and again for who comes after a delete', async () => {
    const { backplane } = await reader();
    const old = controlledLoader();
    const first = [backplane.cacheGetOrSet('k', old), backplane.cacheGetOrSet('k', old)];
    await old.begun;
    await backplane.cacheDelete('k');
    expect(await backplane.cacheGetOrSet('k', () => 'new')).toBe('new');
    old.finish('old');
    expect(await Promise.all(first)).toEqual(['old', 'old']);
    expect(old.runs).toBe(1);
  });
});
