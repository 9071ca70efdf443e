'use strict';

const { until } = require('../support');
const { isAway, isReady, useStage } = require('../support/stage');
const { change, expectAway, expectNothingStale, expectOthersKept, expectService, seed, writeAsAnother } =
  require('../support/service');

const LARGE = 'x'.repeat(300_000);
const brief = (value) => (typeof value === 'string' ? value.slice(0, 10) : value);

/** `noeviction` is the default policy: out of memory Redis refuses writes, but still deletes. */
describe('a server that is out of memory', () => {
  const stage = useStage();

  const fill = (redis) => redis.command('CONFIG', 'SET', 'maxmemory', 1);
  const relieve = (redis) => redis.command('CONFIG', 'SET', 'maxmemory', 0);

  async function full(options) {
    const opened = await stage.ready(options);
    await seed(opened.redis);
    await writeAsAnother(opened.redis);
    await fill(opened.redis);
    return opened;
  }

  it('case 10: counts as away once a write is refused, and recovers', async () => {
    const { redis, backplane } = await full();
    await change(backplane);
    await isAway(backplane);
    await expectService(backplane);
    await expectAway(backplane);
    expect(backplane.log.shown.at(-1)).toContain('OOM');
    await relieve(redis);
    await isReady(backplane);
    await expectNothingStale(backplane, redis);
    await expectOthersKept(backplane);
    await expectService(backplane);
    expect(backplane.log.story).toEqual(['ready', 'away', 'ready']);
  });

  it('case 10: at start', async () => {
    const redis = await stage.redis();
    await seed(redis);
    await fill(redis);
    const backplane = stage.backplane({ url: redis.url });
    await change(backplane);
    await expectService(backplane);
    await relieve(redis);
    await isReady(backplane);
    await expectNothingStale(backplane, redis);
  });

  it('case 10: deletes are carried out on Redis at once', async () => {
    const { redis, backplane } = await full();
    expect(await backplane.cacheSet('h:set', 'new')).toBe(true);
    await isAway(backplane);
    expect(await redis.command('GET', 'cache:h:set')).toBeNull();
    expect(await backplane.cacheDelete('h:deleted')).toBe(true);
    expect(await redis.command('GET', 'cache:h:deleted')).toBeNull();
    await backplane.cacheDeletePattern('h:pattern:?');
    expect(await redis.command('EXISTS', 'cache:h:pattern:1', 'cache:h:pattern:2')).toBe(0);
    expect(await redis.command('GET', 'cache:h:untouched')).toBe('"old"');
    expect(await backplane.cacheGet('h:set')).toBe('new');
    expect(backplane.isRedisAvailable()).toBe(false);
  });

  it('case 10: a load that cannot be kept on Redis is kept in memory', async () => {
    const { redis, backplane } = await full();
    expect(await backplane.cacheGetOrSet('k', () => 1)).toBe(1);
    await isAway(backplane);
    expect(await redis.command('EXISTS', 'cache:k')).toBe(0);
    await relieve(redis);
    await isReady(backplane);
    expect(await backplane.cacheGetOrSet('k', () => 2)).toBe(2);
    expect(await redis.command('GET', 'cache:k')).toBe('2');
  });

  it('case 10: then it goes silent, is killed, and comes back', async () => {
    const { redis, backplane } = await full();
    await backplane.cacheSet('k', 1);
    await isAway(backplane);
    redis.pause();
    expect(await backplane.cacheSet('k', 2)).toBe(true);
    expect(await backplane.cacheDelete('k')).toBe(true);
    await expectService(backplane);
    await redis.kill();
    await expectService(backplane);
    await redis.restart();
    await isReady(backplane);
    await expectService(backplane);
  });

  describe('with a large write in flight', () => {
    /** Makes `call`, about the key of that write, while Redis is out of memory; then all is well again. */
    async function meanwhile(call) {
      const opened = await stage.ready({ commandTimeoutMs: 1500 });
      const { redis, proxy, backplane } = opened;
      await backplane.cacheSet('k', LARGE);
      const [, bulk] = proxy.links;
      let isSent = false;
      proxy.onRequest((chunk) => {
        isSent ||= chunk.includes('cache:k');
      });
      bulk.flow({ request: false, reply: false });
      const calls = [backplane.cacheSet('k', LARGE)];
      await until(() => isSent, { what: 'the large write is on its way' });
      await fill(redis);
      await backplane.cacheSet('other', 1);
      await isAway(backplane);
      calls.push(call(backplane));
      await relieve(redis);
      await isReady(backplane);
      bulk.flow({ request: true, reply: true });
      await Promise.all(calls);
      return opened;
    }

    it('case 22: it does not arrive after a delete', async () => {
      const { redis, backplane } = await meanwhile((b) => b.cacheDelete('k'));
      expect(brief(await backplane.cacheGet('k'))).toBeNull();
      expect(brief(await redis.command('GET', 'cache:k'))).toBeNull();
    });

    it('case 20: what is set then is not read in a later outage', async () => {
      const { redis, proxy, backplane } = await meanwhile((b) => b.cacheSet('k', 'mine'));
      await redis.command('SET', 'cache:k', '"theirs"');
      expect(await backplane.cacheGet('k')).toBe('theirs');
      proxy.refuse();
      proxy.cut();
      await isAway(backplane);
      expect(brief(await backplane.cacheGet('k'))).toBeNull();
    });
  });

  it('case 10: under load, twice', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    const load = stage.load(backplane);
    for (let i = 0; i < 2; i += 1) {
      await load.goesOn();
      await fill(redis);
      await isAway(backplane);
      await load.goesOn();
      await relieve(redis);
      await isReady(backplane);
    }
    await load.goesOn();
    await load.stop();
    expect(load.wrong).toEqual([]);
  });
});
