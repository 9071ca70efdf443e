'use strict';

// Every way to lose the server, or only the connection that receives. Each time: restored by
// itself, every callback once, one gap; meanwhile this process is served.

const { ear, heardUpToNow } = require('../support/heard');
const { isAway, isReady, isStable, useStage } = require('../support/stage');
const { expectAlone, expectOnRedis, receivers, subscribed } = require('../support/subscribed');
const { until } = require('../support');

describe('subscriptions in an outage', () => {
  const stage = useStage();

  /** What a test begins with: subscribed, and working on Redis. */
  async function listening(options) {
    const { redis, proxy, backplane } = await stage.ready(options);
    const subscription = await subscribed(backplane);
    await expectOnRedis(redis, subscription);
    expect(subscription.gaps).toEqual([]);
    return { redis, proxy, backplane, subscription, feed: proxy?.links.at(-1) };
  }

  async function expectRestored(redis, subscription) {
    await subscription.isWhole();
    await expectOnRedis(redis, subscription);
    subscription.expectOneGap();
  }

  it('case 1: the connection that receives is killed by the server', async () => {
    const { redis, subscription, backplane } = await listening({ proxied: false });
    expect(await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')).toBe(1);
    await expectRestored(redis, subscription);
    expect(backplane.log.story).toEqual(['ready']);
  });

  it('the connection that receives is killed five times: five gaps, nothing twice', async () => {
    const { redis, subscription } = await listening({ proxied: false });
    for (let times = 1; times <= 5; times += 1) {
      await until(async () => (await receivers(redis)) === 1, { what: 'subscribed on the server' });
      expect(await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')).toBe(1);
      await subscription.isWhole(times);
    }
    await expectOnRedis(redis, subscription);
    expect(subscription.gaps).toHaveLength(5);
  });

  it.each([['is reset', (link) => link.reset()], ['falls silent', (link) => link.flow({ request: false, reply: false })],
    ['brings nothing any more', (link) => link.flow({ request: true, reply: false })]])(
    'only the connection that receives %s',
    async (_how, harm) => {
      const { redis, subscription, feed, backplane } = await listening();
      harm(feed);
      await subscription.isWhole();
      // So that the server, too, knows that it is gone.
      feed.reset();
      await expectRestored(redis, subscription);
      expect(backplane.log.story).toEqual(['ready']);
    }
  );

  it.each([['is reset', (link) => link.reset()], ['falls silent', (link) => link.flow({ request: false, reply: false })]])(
    'only the connection for commands %s',
    async (_how, harm) => {
      const { redis, subscription, proxy, backplane } = await listening();
      const accepted = proxy.accepted;
      harm(proxy.links[0]);
      await until(() => proxy.accepted > accepted, { what: 'another connection' });
      await isReady(backplane);
      await expectOnRedis(redis, subscription);
      expect(subscription.gaps.length).toBeLessThanOrEqual(1);
    }
  );

  it.each([['young', false], ['proven', true]])('everything is reset: connections that are %s', async (_age, old) => {
    const { redis, subscription, proxy } = await listening();
    if (old) await isStable(redis);
    proxy.cut();
    await expectRestored(redis, subscription);
  });

  it('case 1: killed with -9, and restarted empty', async () => {
    const { redis, backplane, subscription } = await listening({ proxied: false });
    await redis.kill();
    await isAway(backplane);
    await expectAlone(backplane, subscription);
    expect(subscription.gaps).toEqual([]);
    await redis.restart();
    await expectRestored(redis, subscription);
    expect(backplane.log.story).toEqual(['ready', 'away', 'ready']);
  });

  it('case 1: killed with -9 while messages are published: none comes twice, or out of order', async () => {
    const { redis, backplane, subscription } = await listening({ proxied: false });
    let number = 0;
    let isOver = false;
    const publishing = (async () => {
      for (; !isOver; number += 1) {
        await subscription.publish(number);
        await new Promise(setImmediate);
      }
    })();
    const more = (count) => {
      const goal = number + count;
      return until(() => number >= goal, { what: 'more messages' });
    };
    for (let i = 1; i <= 2; i += 1) {
      await more(200);
      await redis.kill();
      await more(200);
      await redis.restart();
      await isReady(backplane);
      await subscription.isWhole(i);
    }
    isOver = true;
    await publishing;
    const numbers = (await subscription.heard()).filter(Number.isInteger);
    expect(numbers.every((each, i) => i === 0 || numbers[i - 1] < each)).toBe(true);
    expect(numbers.length).toBeGreaterThan(300);
    expect(subscription.gaps).toHaveLength(2);
  });

  it('case 4: stopped and continued', async () => {
    const { redis, backplane, subscription } = await listening({ proxied: false });
    redis.pause();
    expect([0, 1]).toContain(await subscription.publish('into the silence'));
    await isAway(backplane);
    await expectAlone(backplane, subscription);
    redis.resume();
    await expectRestored(redis, subscription);
    expect(subscription.listener.heard.filter((message) => message === 'into the silence').length).toBeLessThanOrEqual(1);
  });

  it('case 6: a black hole', async () => {
    const { redis, proxy, backplane, subscription } = await listening();
    proxy.blackhole();
    await isAway(backplane);
    await expectAlone(backplane, subscription);
    proxy.flow();
    await expectRestored(redis, subscription);
  });

  it('case 40: thrown out by client-output-buffer-limit', async () => {
    const { redis, backplane, subscription } = await listening({ proxied: false });
    await redis.command('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 1048576 0 0');
    expect(await redis.command('PUBLISH', 'c', JSON.stringify('x'.repeat(8 << 20)))).toBe(1);
    await expectRestored(redis, subscription);
    expect(backplane.log.story).toEqual(['ready']);
  });

  it('case 39: what is unsubscribed while Redis is away stays so; what is subscribed to meanwhile comes into effect', async () => {
    const { redis, proxy, backplane, subscription } = await listening();
    const { pubSub } = subscription;
    const [gone, added, back] = [ear(), ear(), ear()];
    await pubSub.subscribe('gone', gone);
    await pubSub.subscribe('back', back);
    proxy.blackhole();
    await isAway(backplane);
    expect(await pubSub.unsubscribe('gone')).toBe(true);
    expect(await pubSub.unsubscribe('back')).toBe(true);
    expect(await pubSub.subscribe('back', back)).toBe(true);
    expect(await pubSub.subscribe('added', added)).toBe(true);
    expect(await backplane.publish('gone', 1)).toBe(0);
    expect(await backplane.publish('added', 'alone')).toBe(1);
    proxy.flow();
    await expectRestored(redis, subscription);
    expect(await redis.command('PUBSUB', 'NUMSUB', 'gone', 'added', 'back')).toEqual(['gone', 0, 'added', 1, 'back', 1]);
    expect(await heardUpToNow((marker) => backplane.publish('added', marker), added)).toEqual(['alone']);
    await heardUpToNow((marker) => backplane.publish('back', marker), back);
    expect(gone.heard).toEqual([]);
  });

  it('every handle has its own gap; one without subscriptions has none', async () => {
    const { redis, backplane, subscription } = await listening({ proxied: false });
    const [used, unused, ended] = [1, 2, 3].map(() => backplane.createSubscriber());
    const told = [];
    for (const [name, handle] of Object.entries({ used, unused, ended })) handle.on('gap', () => told.push(name));
    await used.subscribe('other');
    await used.psubscribe('o*');
    await ended.subscribe('other');
    await ended.quit();
    await redis.kill();
    await isAway(backplane);
    await redis.restart();
    await expectRestored(redis, subscription);
    await until(() => told.length > 0, { what: 'the gap of the other handle' });
    const listener = ear();
    await used.subscribe('other', listener);
    expect(await backplane.getClient().publish('other', 'x')).toBe(2);
    await listener.times(1);
    expect(told).toEqual(['used']);
  });
});
