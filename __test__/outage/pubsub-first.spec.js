'use strict';

// Subscribing before Redis is there, when it refuses, and to very much.

const { ear, heardUpToNow } = require('../support/heard');
const { isAway, isReady, useStage } = require('../support/stage');
const { expectAlone, expectOnRedis, receivers, subscribed } = require('../support/subscribed');
const { deadline, freePort, startRedis, until } = require('../support');

describe('subscriptions that do not come into effect at once', () => {
  const stage = useStage();

  it('during the very first attempt to connect', async () => {
    const redis = await stage.redis();
    const proxy = await stage.proxy(redis);
    proxy.stall();
    const backplane = stage.backplane({ url: proxy.url });
    const subscribing = subscribed(backplane);
    const handle = backplane.createSubscriber();
    const counting = handle.subscribe('c1', 'c2');
    await until(() => proxy.accepted > 0, { what: 'an attempt' });
    proxy.flow();
    const subscription = await subscribing;
    expect(await counting).toBe(2);
    await expectOnRedis(redis, subscription);
    expect(await redis.command('PUBSUB', 'NUMSUB', 'c1', 'c2')).toEqual(['c1', 1, 'c2', 1]);
    expect(subscription.gaps).toEqual([]);
  });

  it('when the very first attempt falls into a black hole', async () => {
    const redis = await stage.redis();
    const proxy = await stage.proxy(redis);
    proxy.blackhole();
    const backplane = stage.backplane({ url: proxy.url });
    const pubSub = backplane.getPubSub();
    const listener = ear();
    const subscribing = pubSub.subscribe('c', listener);
    const published = backplane.publish('c', 'early');
    expect([true, false]).toContain(await deadline(subscribing, 1100, 'subscribe'));
    expect(await published).toBe(1);
    await isAway(backplane);
    expect(await pubSub.initialize()).toBe(false);
    expect(await heardUpToNow((marker) => backplane.publish('c', marker), listener)).toEqual(['early']);
    proxy.flow();
    await isReady(backplane);
    await until(async () => (await receivers(redis)) === 1, { what: 'subscribed on the server' });
  });

  it('when nobody has ever been there, until somebody is', async () => {
    const port = await freePort();
    const backplane = stage.backplane({ url: `redis://127.0.0.1:${port}` });
    const subscription = await subscribed(backplane);
    await expectAlone(backplane, subscription);
    const redis = await startRedis({ port });
    try {
      await subscription.isWhole();
      await expectOnRedis(redis, subscription);
      subscription.expectOneGap();
    } finally {
      await backplane.close();
      await redis.stop();
    }
  });

  it('a channel that the user may not hear: false, the others work; by itself once it may', async () => {
    const redis = await stage.redis();
    await redis.command('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '+@all', 'resetchannels', '&c', '&other');
    const backplane = stage.backplane({ url: redis.url.replace('redis://', 'redis://app:secret@') });
    await isReady(backplane);
    const subscription = await subscribed(backplane);
    const { pubSub } = subscription;
    const [denied, other] = [ear(), ear()];
    expect(await deadline(pubSub.subscribe('denied', denied), 400, 'an answer')).toBe(false);
    expect(await pubSub.subscribe('other', other)).toBe(true);
    await expectOnRedis(redis, subscription);
    expect(await backplane.publish('denied', 1)).toBe(0);
    await redis.command('ACL', 'SETUSER', 'app', '&denied');
    await until(async () => (await receivers(redis, 'denied')) === 1, { what: 'subscribed by itself' });
    await heardUpToNow((marker) => backplane.publish('denied', marker), denied);
    expect(denied.heard).toHaveLength(1);
    expect(await pubSub.subscribe('denied', ear())).toBe(true);
    expect(backplane.log.text).not.toContain('secret');
    expect(subscription.gaps).toEqual([]);
  });

  it('a channel that is refused and ended is not asked for again', async () => {
    const redis = await stage.redis();
    await redis.command('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '+@all', 'resetchannels', '&c');
    const backplane = stage.backplane({ url: redis.url.replace('redis://', 'redis://app:secret@') });
    await isReady(backplane);
    const { pubSub } = await subscribed(backplane);
    expect(await pubSub.subscribe('denied', ear())).toBe(false);
    expect(await pubSub.subscribe('wanted', ear())).toBe(false);
    expect(await pubSub.unsubscribe('denied')).toBe(true);
    await redis.command('ACL', 'SETUSER', 'app', '&denied', '&wanted');
    await until(async () => (await receivers(redis, 'wanted')) === 1, { what: 'the other one' });
    expect(await receivers(redis, 'denied')).toBe(0);
  });

  it('a right that is taken away and given back: a gap, and restored by itself', async () => {
    const redis = await stage.redis();
    await redis.command('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '+@all', 'resetchannels', '&c');
    const backplane = stage.backplane({ url: redis.url.replace('redis://', 'redis://app:secret@') });
    await isReady(backplane);
    const subscription = await subscribed(backplane);
    await redis.command('ACL', 'SETUSER', 'app', 'resetchannels');
    await until(async () => (await receivers(redis)) === 0, { what: 'thrown out' });
    expect(await subscription.publish('refused')).toBe(0);
    await redis.command('ACL', 'SETUSER', 'app', '&c');
    await expectOnRedis(redis, subscription);
    expect(subscription.gaps.length).toBeGreaterThanOrEqual(1);
  });

  it('while there is no connection left for it: false, then by itself', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    const open = (await redis.command('CLIENT', 'LIST')).trim().split('\n').length;
    await redis.command('CONFIG', 'SET', 'maxclients', open);
    const listener = ear();
    const handle = backplane.createSubscriber();
    expect(await deadline(backplane.getPubSub().subscribe('c', listener), 400, 'an answer')).toBe(false);
    expect(await deadline(handle.subscribe('c', listener), 400, 'an answer')).toBe(1);
    expect(await backplane.publish('c', 'nobody hears')).toBe(0);
    await redis.command('CONFIG', 'SET', 'maxclients', 100);
    await until(async () => (await receivers(redis)) === 2, { what: 'both by themselves' });
    expect(await backplane.publish('c', 'heard')).toBe(2);
    await listener.times(2);
    expect(listener.heard.sort()).toEqual(['"heard"', 'heard']);
    expect(await deadline(backplane.getPubSub().subscribe('c', ear()), 400, 'an answer')).toBe(true);
  });

  it('what is ended before it came into effect is not waited for', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false, commandTimeoutMs: 5000 });
    const handle = backplane.createSubscriber();
    const both = Promise.all([handle.subscribe('c'), handle.unsubscribe('c')]);
    await deadline(both, 2000, 'there is nothing to tell the server');
    expect(await receivers(redis)).toBe(0);
  });

  it('the last one that is ended while the connection that receives is gone is not waited for', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false, commandTimeoutMs: 5000 });
    const { pubSub } = await subscribed(backplane);
    await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    expect(await deadline(pubSub.unsubscribe('c'), 2000, 'there is nothing to tell the server')).toBe(true);
    expect(await receivers(redis)).toBe(0);
  });

  async function overflow({ redis }) {
    await redis.command('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 1048576 0 0');
    await redis.command('PUBLISH', 'channel:1', 'x'.repeat(8 << 20));
  }

  it.each([
    ['killed', ({ redis }) => redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')],
    ['cut', async ({ proxy }) => proxy.links.at(-1).reset()],
    ['thrown out by client-output-buffer-limit', overflow],
  ])('a subscriber of 10,000 that is %s has them all back, but for those that are ended meanwhile (case 39)', async (_how, harm) => {
    const { redis, proxy, backplane } = await stage.ready({ commandTimeoutMs: 3000 });
    const handle = backplane.createSubscriber();
    const gaps = [];
    handle.on('gap', (gap) => gaps.push(gap));
    const names = (prefix, count) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
    const [channels, patterns] = [names('channel:', 8000), names('pattern*:', 2000)];
    const heard = [];
    await handle.subscribe(channels, (message) => heard.push(message));
    expect(await handle.psubscribe(patterns, () => {})).toBe(10_000);
    expect(await redis.command('PUBSUB', 'NUMPAT')).toBe(2000);
    await harm({ redis, proxy });
    const ended = channels.filter((_, i) => i % 10 === 0);
    const ending = ended.map((name) => handle.unsubscribe(name));
    const endingPatterns = handle.punsubscribe(...patterns.slice(0, 500));
    await Promise.all([...ending, endingPatterns]);
    await until(() => gaps.length > 0, { what: 'whole again' });
    const counts = await redis.command('PUBSUB', 'NUMSUB', ...channels);
    expect(channels.filter((_, i) => counts[2 * i + 1] !== (i % 10 === 0 ? 0 : 1))).toEqual([]);
    expect(await redis.command('PUBSUB', 'NUMPAT')).toBe(1500);
    for (const name of channels.slice(0, 20)) await backplane.getClient().publish(name, name);
    await until(() => heard.length === 18, { what: 'what is left' });
    expect(await handle.unsubscribe(channels)).toBe(1500);
    expect(await handle.punsubscribe()).toBe(0);
    expect(await redis.command('PUBSUB', 'CHANNELS', '*')).toEqual([]);
    expect(gaps).toHaveLength(1);
  });

  it('subscribing to 10,000 channels at once while Redis is away, and calls go on', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    await redis.kill();
    await isAway(backplane);
    const pubSub = backplane.getPubSub();
    const channels = Array.from({ length: 10_000 }, (_, i) => `channel:${i}`);
    const subscribing = Promise.all(channels.map((name) => pubSub.subscribe(name, () => {})));
    expect(await deadline(subscribing, 2000, 'all of them')).toEqual(channels.map(() => true));
    await redis.restart();
    await isReady(backplane);
    const isRestored = async () => (await redis.command('PUBSUB', 'CHANNELS')).length === channels.length;
    const calling = until(isRestored, { what: 'all of them on the server' });
    for (let i = 0; i < 100; i += 1) expect(await backplane.cacheSet('k', i)).toBe(true);
    await calling;
    expect(await backplane.publish('channel:9999', 1)).toBe(1);
  });
});
