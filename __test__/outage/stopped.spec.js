'use strict';

const { until } = require('../support');
const { connectionsOf, isAway, isReady, useStage } = require('../support/stage');
const { change, expectAway, expectNothingStale, expectService, seed } = require('../support/service');

const LARGE = 'x'.repeat(300_000);

describe('a server that is stopped (SIGSTOP)', () => {
  const stage = useStage();

  it('case 4: for less than the deadline: the calls succeed, late', async () => {
    const { redis, proxy, backplane } = await stage.ready({ commandTimeoutMs: 10_000 });
    await backplane.cacheSet('k', 1);
    await backplane.cacheSet('gone', 1);
    await backplane.call('PING');
    let sent = '';
    proxy.onRequest((chunk) => {
      sent += chunk;
    });
    redis.pause();
    let settled = 0;
    const calls = [
      backplane.cacheGet('k'),
      backplane.cacheSet('new', 2),
      backplane.cacheDelete('gone'),
      backplane.cacheDeletePattern('none:*'),
      backplane.cacheGetOrSet('loaded', () => 3),
      backplane.call('GET', 'cache:k'),
    ];
    for (const call of calls) call.then(() => (settled += 1));
    const marks = ['cache:k', 'new', 'gone', 'none:', 'loaded'];
    await until(() => marks.every((mark) => sent.includes(mark)), { what: 'all have been sent' });
    expect(settled).toBe(0);
    redis.resume();
    expect(await Promise.all(calls)).toEqual([1, true, true, 0, 3, { value: '1' }]);
    expect(await redis.command('MGET', 'cache:k', 'cache:new', 'cache:gone', 'cache:loaded'))
      .toEqual(['1', '2', null, '3']);
    expect(backplane.log.story).toEqual(['ready']);
  });

  it('case 4: for longer: answered from memory, nothing stale afterwards', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    await seed(redis);
    redis.pause();
    await change(backplane);
    await isAway(backplane);
    await expectService(backplane);
    await expectAway(backplane);
    redis.resume();
    await isReady(backplane);
    await expectNothingStale(backplane, redis);
    expect(await backplane.cacheGet('h:untouched')).toBe('old');
    await expectService(backplane);
    expect(backplane.log.story).toEqual(['ready', 'away', 'ready']);
  });

  it('case 22: writes in flight to it are never applied after what follows them', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    const keys = ['deleted', 'set', 'pattern'];
    for (const key of keys) await backplane.cacheSet(key, 1);
    const [{ id: formerId }] = await connectionsOf(redis);
    redis.pause();
    const inFlight = keys.map((key) => backplane.cacheSet(key, 2));
    expect(await Promise.all(inFlight)).toEqual([true, true, true]);
    expect(await backplane.cacheDelete('deleted')).toBe(true);
    expect(await backplane.cacheSet('set', 3)).toBe(true);
    expect(await backplane.cacheDeletePattern('patter?')).toBe(1);
    expect(await Promise.all(keys.map((key) => backplane.cacheGet(key)))).toEqual([null, 3, null]);
    redis.resume();
    await isReady(backplane);
    const stored = () => redis.command('MGET', ...keys.map((key) => `cache:${key}`));
    expect(await stored()).toEqual([null, null, null]);
    const formerIsGone = async () => (await connectionsOf(redis)).every(({ id }) => id !== formerId);
    await until(formerIsGone, { what: 'the server has ended the former connection' });
    expect(await stored()).toEqual([null, null, null]);
    expect(await Promise.all(keys.map((key) => backplane.cacheGet(key)))).toEqual([null, null, null]);
  });

  it('case 4: large values are kept in memory too, and nothing older is read afterwards', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    const names = Array.from({ length: 10 }, (_, i) => i);
    for (const name of names) {
      await redis.command('MSET', `cache:set:${name}`, '"old"', `cache:deleted:${name}`, '"old"');
    }
    const lengths = async (kind) => {
      const values = await Promise.all(names.map((name) => backplane.cacheGet(`${kind}:${name}`)));
      return values.map((value) => value?.length ?? null);
    };
    redis.pause();
    const calls = names.flatMap((name) => [
      backplane.cacheSet(`set:${name}`, LARGE),
      backplane.cacheSet(`deleted:${name}`, LARGE),
      backplane.cacheDelete(`deleted:${name}`),
    ]);
    expect(await Promise.all(calls)).toEqual(calls.map(() => true));
    expect(await lengths('set')).toEqual(names.map(() => LARGE.length));
    expect(await lengths('deleted')).toEqual(names.map(() => null));
    redis.resume();
    await isReady(backplane);
    expect(await lengths('set')).toEqual(names.map(() => null));
    expect(await lengths('deleted')).toEqual(names.map(() => null));
  });

  it('case 4: under load, shorter and longer', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    const load = stage.load(backplane);
    await load.goesOn();
    redis.pause();
    redis.resume();
    await load.goesOn();
    redis.pause();
    // Whatever the load is doing just now, one of each is under way.
    await Promise.all([backplane.cacheDeletePattern('none:*'), backplane.cacheGetOrSet('loaded', () => 1)]);
    await isAway(backplane);
    await load.goesOn();
    redis.resume();
    await isReady(backplane);
    await load.goesOn();
    await load.stop();
    expect(load.wrong).toEqual([]);
    await expectService(backplane);
  });
});
