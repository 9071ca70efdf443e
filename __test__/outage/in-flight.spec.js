'use strict';

const { until } = require('../support');
const { connectionsOf, isAway, isReady, isStable, useStage, wasAway } = require('../support/stage');

const HELD = { request: false, reply: false };
const FLOWING = { request: true, reply: true };
const LARGE = 'x'.repeat(300_000);
const LARGER = 'y'.repeat(300_000);

/** Short enough to be printed when it is not what was expected. */
const brief = (value) => (typeof value === 'string' ? value.slice(0, 10) : value);

/** A connection that is lost in the network may yet deliver what it carried. */
describe('what is in flight on a connection that was given up', () => {
  const stage = useStage();

  function hold(proxy) {
    for (const link of proxy.links) link.flow(HELD);
  }

  /** Writes versions of `k` until the first of them has got no answer in time. */
  async function writeUntilSilent(backplane) {
    let silent = false;
    const writes = [backplane.cacheSet('k', 1)];
    writes[0].then(() => (silent = true));
    await until(() => silent || !writes.push(backplane.cacheSet('k', writes.length + 1)), { everyMs: 20 });
    return writes;
  }

  const read = (redis) => redis.command('GET', 'cache:k');

  it('case 22: a write that is still waiting is not sent again after a later delete', async () => {
    const { redis, proxy, backplane } = await stage.ready();
    await backplane.cacheSet('k', 0);
    hold(proxy);
    const writes = await writeUntilSilent(backplane);
    expect(await backplane.cacheDelete('k')).toBe(true);
    await isReady(backplane);
    await Promise.all(writes);
    expect(await read(redis)).toBeNull();
    expect(await backplane.cacheGet('k')).toBeNull();
  });

  it('case 22: a write that is still on its way does not arrive after a later delete', async () => {
    const { redis, proxy, backplane } = await stage.ready();
    await backplane.cacheSet('k', 0);
    const [former] = await connectionsOf(redis);
    hold(proxy);
    const writes = await writeUntilSilent(backplane);
    expect(await backplane.cacheDelete('k')).toBe(true);
    await isReady(backplane);
    proxy.flow();
    const isOver = async () => (await connectionsOf(redis)).every(({ id }) => id !== former.id);
    await until(isOver, { what: 'the server has ended the former connection' });
    await Promise.all(writes);
    expect(await read(redis)).toBeNull();
    expect(await backplane.cacheGet('k')).toBeNull();
  });

  it('case 22: a write that was carried out but not answered is neither shadowed nor stale', async () => {
    const { redis, proxy, backplane } = await stage.ready();
    proxy.stallReplies();
    const unanswered = [
      backplane.cacheSet('k', 1),
      backplane.cacheSet('followed', 1),
      backplane.cacheGetOrSet('loaded', () => 1),
    ];
    expect(await Promise.all(unanswered)).toEqual([true, true, 1]);
    expect(await redis.command('MGET', 'cache:k', 'cache:followed')).toEqual(['1', '1']);
    expect(await backplane.cacheGet('k')).toBe(1);
    expect(await backplane.cacheSet('followed', 2)).toBe(true);
    expect(await backplane.cacheGet('followed')).toBe(2);
    expect(await backplane.cacheDelete('loaded')).toBe(true);
    await redis.command('SET', 'cache:foreign', '"theirs"');
    proxy.flow();
    await isReady(backplane);
    const keys = ['k', 'followed', 'loaded', 'foreign'];
    expect(await Promise.all(keys.map((key) => backplane.cacheGet(key)))).toEqual([null, null, null, 'theirs']);
    expect(await redis.command('MGET', ...keys.map((key) => `cache:${key}`))).toEqual([null, null, null, '"theirs"']);
  });

  it('case 22: calls made in memory come after those that were in flight', async () => {
    const { proxy, backplane } = await stage.ready();
    proxy.blackhole();
    const writes = await writeUntilSilent(backplane);
    expect(await backplane.cacheSet('k', 'last')).toBe(true);
    await Promise.all(writes);
    await isAway(backplane);
    expect(await backplane.cacheGet('k')).toBe('last');
  });

  it('case 22: a large write that got no answer in time does not arrive after a later one', async () => {
    const { redis, proxy, backplane } = await stage.ready();
    await backplane.cacheSet('k', LARGE);
    const [, bulk] = proxy.links;
    bulk.flow(HELD);
    await backplane.cacheSet('k', LARGER);
    expect(await backplane.cacheSet('k', 'last')).toBe(true);
    bulk.flow(FLOWING);
    const isOver = async () => !proxy.links.includes(bulk) || (await redis.command('STRLEN', 'cache:k')) > 100;
    await until(isOver, { what: 'the stuck connection has been given up, or has delivered' });
    expect(brief(await backplane.cacheGet('k'))).toBe('last');
  });

  it('case 22: a large write does not outlive the connection for calls', async () => {
    const { redis, proxy, backplane } = await stage.ready({ commandTimeoutMs: 5000 });
    await backplane.cacheSet('k', LARGE);
    await isStable(redis);
    const [calls, bulk] = proxy.links;
    let seen = 0;
    proxy.onRequest((chunk) => {
      seen += chunk.length;
    });
    bulk.flow(HELD);
    const large = backplane.cacheSet('k', LARGER);
    await until(() => seen > LARGER.length, { what: 'the large write is on its way' });
    calls.reset();
    await until(() => proxy.accepted >= 3, { what: 'a new connection' });
    await isReady(backplane);
    expect(await backplane.cacheSet('k', 'last')).toBe(true);
    bulk.flow(FLOWING);
    await large;
    expect(brief(await backplane.cacheGet('k'))).toBe('last');
  });

  it('case 19: a large write under which the connection ends is not followed by an older value', async () => {
    const { proxy, backplane } = await stage.ready();
    await backplane.cacheSet('k', LARGE);
    const [, bulk] = proxy.links;
    let seen = 0;
    proxy.onRequest((chunk) => {
      seen += chunk.length;
    });
    bulk.flow(HELD);
    const large = backplane.cacheSet('k', LARGER);
    await until(() => seen > LARGER.length, { what: 'the large write is on its way' });
    proxy.refuse();
    proxy.cut();
    await large;
    await isAway(backplane);
    await proxy.accept();
    await isReady(backplane);
    expect([null, brief(LARGER)]).toContain(brief(await backplane.cacheGet('k')));
  });

  it('case 19: a delete whose answer was lost twice is carried out before anything is read', async () => {
    const { redis, proxy, backplane } = await stage.ready();
    await backplane.cacheSet('k', 'old');
    await isStable(redis);
    let lost = 0;
    proxy.onRequest((chunk) => {
      if (!chunk.includes('UNLINK') || lost === 2) return undefined;
      lost += 1;
      if (lost === 1) proxy.cut();
      return null;
    });
    await backplane.cacheDelete('k');
    expect(lost).toBe(2);
    expect(await backplane.cacheGet('k')).toBeNull();
    await wasAway(backplane, 1);
    await isReady(backplane);
    expect(await backplane.cacheGet('k')).toBeNull();
    expect(await read(redis)).toBeNull();
  });
});
