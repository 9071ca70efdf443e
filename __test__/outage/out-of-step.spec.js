'use strict';

// Answers that do not belong to what was asked: a proxy lost one, made one up, or answers by itself.

const net = require('node:net');
const { listenOnFreePort } = require('../../scripts/free-port');
const { Decoder } = require('../../scripts/resp');
const { heardUpToNow } = require('../support/heard');
const { changesOneReading, saysOkToAll } = require('../support/liar');
const { expectService } = require('../support/service');
const { isAway, isReady, useStage, wasAway } = require('../support/stage');
const { receivers, subscribed } = require('../support/subscribed');
const { until } = require('../support');

const KEYS = 500;
/** Calls that are made at once. */
const AT_ONCE = 64;
/** What may be answered wrongly before it is noticed: calls that were each alone, which is seldom so here. */
const MOST_WRONG = 32;

describe('a connection out of step', () => {
  const stage = useStage();

  /** Reads all the time; answers how many readings there were, and how many were another key's. */
  function readingsOf(backplane) {
    const counts = { all: 0, wrong: 0 };
    let isOver = false;
    const reader = async (first) => {
      for (let i = first; !isOver; i += AT_ONCE) {
        const value = await backplane.cacheGet(`key ${i % KEYS}`);
        counts.all += 1;
        if (value !== null && value !== `value ${i % KEYS}`) counts.wrong += 1;
      }
    };
    const readers = Array.from({ length: AT_ONCE }, (_, i) => reader(i));
    return {
      counts,
      async stop() {
        isOver = true;
        await Promise.all(readers);
      },
    };
  }

  it.each([
    ['lost', () => ''],
    ['answered twice', (reading) => reading + reading],
    ['changed for another', () => '$-1\r\n+OK\r\n'],
  ])('one answer %s: hardly anybody gets another key’s value, and the connection is replaced', async (_what, change) => {
    const { proxy, backplane } = await stage.ready({ commandTimeoutMs: 2000 });
    for (let i = 0; i < KEYS; i += 1) await backplane.cacheSet(`key ${i}`, `value ${i}`);
    const { counts, stop } = readingsOf(backplane);
    const accepted = proxy.accepted;
    try {
      await until(() => counts.all > 1000, { what: 'readings' });
      changesOneReading(proxy, change);
      await wasAway(backplane, 1);
      await isReady(backplane);
      const since = counts.all;
      await until(() => counts.all > since + 1000, { what: 'readings on another connection' });
    } finally {
      await stop();
    }
    expect(proxy.accepted).toBeGreaterThan(accepted);
    expect(counts.wrong).toBeLessThanOrEqual(MOST_WRONG);
    await expectService(backplane);
  });

  it('what was kept at hand of wrong answers is not believed any more', async () => {
    const { proxy, backplane } = await stage.ready({ localCache: { ttlSeconds: 60 } });
    const keys = Array.from({ length: 20 }, (_, i) => `key ${i}`);
    const read = () => Promise.all(keys.map((key) => backplane.cacheGet(key)));
    for (const key of keys) await backplane.cacheSet(key, key.replace('key', 'value'));
    changesOneReading(proxy, (reading) => reading + reading);
    await read();
    await wasAway(backplane, 1);
    await isReady(backplane);
    expect(await read()).toEqual(keys.map((key) => key.replace('key', 'value')));
  });

  it('while nobody calls, a proxy that begins to say OK to everything is found out by the heartbeat', async () => {
    const { proxy, backplane } = await stage.ready();
    saysOkToAll(proxy);
    await isAway(backplane);
    await expectService(backplane);
    expect((await backplane.health()).status).toBe('degraded');
    proxy.onReply(() => {});
    proxy.cut();
    await isReady(backplane);
    await expectService(backplane);
  });

  it.each([
    ['hello', 'hello\r\n'],
    ['OK', '+OK\r\n'],
    ['an HTTP error', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['PONG and then nothing but OK', '+PONG\r\n', '+OK\r\n'],
  ])('a server that answers %s is no Redis, and the line says so', async (_what, first, others = first) => {
    const sockets = new Set();
    const server = net.createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      const decoder = new Decoder();
      let isFirst = true;
      socket.on('data', (chunk) => {
        const count = decoder.push(chunk).length;
        socket.write(isFirst ? first : others.repeat(count));
        isFirst = false;
      });
    });
    const port = await listenOnFreePort(server);
    try {
      const backplane = stage.backplane({ url: `redis://127.0.0.1:${port}` });
      await expectService(backplane);
      expect(backplane.isRedisAvailable()).toBe(false);
      expect(backplane.log.story).toEqual(['away']);
      expect(backplane.log.shown[0]).toContain('not a Redis server');
      expect(await backplane.health()).toMatchObject({ status: 'degraded', reason: expect.stringContaining('not a Redis server') });
    } finally {
      server.close();
      for (const socket of sockets) socket.destroy();
    }
  });

  it('a subscriber whose answer was lost: a gap, and everything is subscribed to', async () => {
    const { redis, proxy, backplane } = await stage.ready();
    const subscription = await subscribed(backplane);
    let isLost = false;
    proxy.onReply((chunk) => {
      const text = chunk.toString('latin1');
      const at = text.indexOf('*3\r\n$9\r\nsubscribe\r\n$4\r\nlost\r\n');
      if (isLost || at < 0) return undefined;
      isLost = true;
      const end = text.indexOf('\r\n', text.indexOf(':', at)) + 2;
      return Buffer.from(text.slice(0, at) + text.slice(end), 'latin1');
    });
    const heard = [];
    backplane.getPubSub().subscribe('lost', (message) => heard.push(message));
    await until(() => isLost, { what: 'the answer is lost' });
    await subscription.isWhole();
    await until(async () => (await receivers(redis, 'lost')) === 1, { what: 'subscribed on the server' });
    await heardUpToNow((marker) => backplane.publish('lost', marker), { heard });
    await subscription.heard();
  });
});
