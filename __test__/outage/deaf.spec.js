'use strict';

// Redis is there, and takes calls, but lets no connection in that receives.

const { ear, heardUpToNow } = require('../support/heard');
const { isReady, useStage } = require('../support/stage');
const { receivers } = require('../support/subscribed');
const { deadline, until } = require('../support');

/** How a server comes to let nobody in any more, and how that ends. */
const WAYS = {
  'max number of clients': {
    begin: async (redis) => {
      const open = (await redis.command('CLIENT', 'LIST')).trim().split('\n').length;
      await redis.command('CONFIG', 'SET', 'maxclients', open);
    },
    end: (redis) => redis.command('CONFIG', 'SET', 'maxclients', 100),
  },
  NOAUTH: {
    begin: (redis) => redis.command('CONFIG', 'SET', 'requirepass', 'secret'),
    end: (redis) => redis.command('CONFIG', 'SET', 'requirepass', ''),
  },
};

describe('a subscriber that cannot connect while calls are answered', () => {
  const stage = useStage();

  it.each(Object.keys(WAYS))('%s: one line, health says so, not confirmed, and a gap afterwards', async (reason) => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    await WAYS[reason].begin(redis);
    const pubSub = backplane.getPubSub();
    const gaps = [];
    pubSub.on('gap', (gap) => gaps.push(gap));
    const listener = ear();
    expect(await deadline(pubSub.subscribe('c', listener), 1000, 'an answer')).toBe(false);
    const handle = backplane.createSubscriber();
    handle.on('gap', (gap) => gaps.push(gap));
    await deadline(handle.subscribe('c', listener), 1000, 'an answer');
    expect(backplane.isRedisAvailable()).toBe(true);
    expect(await backplane.cacheSet('k', 1)).toBe(true);
    await until(async () => (await backplane.health()).status === 'degraded', { what: 'health says so' });
    expect(await backplane.health()).toMatchObject({ reason: expect.stringContaining(reason), latencyMs: expect.any(Number) });
    expect(gaps).toEqual([]);
    await WAYS[reason].end(redis);
    await until(() => gaps.length === 2, { what: 'a gap each' });
    expect(await receivers(redis)).toBe(2);
    for (const gap of gaps) expect(gap).toMatchObject({ reason: expect.stringContaining(reason), dropped: 0 });
    await heardUpToNow((marker) => backplane.publish('c', marker), listener);
    await until(async () => (await backplane.health()).status === 'ok', { what: 'health is well again' });
    expect(backplane.log.shown.filter((line) => line.includes(reason))).toHaveLength(1);
    expect(backplane.log.text).not.toContain('secret');
  });

  it('one that is given up is not missed', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    await WAYS.NOAUTH.begin(redis);
    const handle = backplane.createSubscriber();
    await handle.subscribe('c', () => {});
    await until(async () => (await backplane.health()).status === 'degraded', { what: 'health says so' });
    await handle.quit();
    await until(async () => (await backplane.health()).status === 'ok', { what: 'nobody misses anything' });
  });

  it('a subscriber that was thrown out and is not let in again: a gap from then on', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    const pubSub = backplane.getPubSub();
    const gaps = [];
    pubSub.on('gap', (gap) => gaps.push(gap));
    expect(await pubSub.subscribe('c', ear())).toBe(true);
    await WAYS.NOAUTH.begin(redis);
    await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await until(async () => (await backplane.health()).status === 'degraded', { what: 'health says so' });
    expect(backplane.isRedisAvailable()).toBe(true);
    await WAYS.NOAUTH.end(redis);
    await until(() => gaps.length === 1, { what: 'a gap' });
    await isReady(backplane);
    await until(async () => (await backplane.health()).status === 'ok', { what: 'health is well again' });
  });
});
