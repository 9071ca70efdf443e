'use strict';

const { until } = require('../support');
const { connectionsOf, isReady, isStable, useStage } = require('../support/stage');
const { expectService, unwanted } = require('../support/service');

const LARGE = 'x'.repeat(300_000);

/** A server or a proxy may end a connection at any time; that is no outage. */
describe('a connection that is closed', () => {
  const stage = useStage();

  /** Kills all connections of the backplane, as `timeout` or an administrator would. */
  async function killAll(redis) {
    for (const { id } of await connectionsOf(redis)) await redis.command('CLIENT', 'KILL', 'ID', id);
  }

  const NEXT_CALLS = [
    async (backplane) => expect(await backplane.cacheGet('k')).toBe(1),
    async (backplane) => expect(await backplane.cacheSet('k', 2)).toBe(true),
    async (backplane) => expect(await backplane.cacheDelete('k')).toBe(true),
    async (backplane) => expect(await backplane.cacheDeletePattern('k')).toBe(1),
    async (backplane) => expect(await backplane.cacheGetOrSet('k', unwanted)).toBe(1),
    async (backplane) => expect((await backplane.cacheGet('large'))?.length).toBe(LARGE.length),
  ];

  it('case 11: after CLIENT KILL the next call, whichever it is, is carried out on Redis', async () => {
    const redis = await stage.redis();
    const backplanes = NEXT_CALLS.map((_, i) => stage.backplane({ url: redis.url, keyPrefix: `${i}:` }));
    for (const backplane of backplanes) {
      await backplane.cacheSet('k', 1);
      await backplane.cacheSet('large', LARGE);
    }
    await isStable(redis);
    await killAll(redis);
    await Promise.all(NEXT_CALLS.map((call, i) => call(backplanes[i])));
    const stored = NEXT_CALLS.map((_, i) => redis.command('GET', `${i}:cache:k`));
    expect(await Promise.all(stored)).toEqual(['1', '2', null, null, '1', '1']);
    for (const { log } of backplanes) expect(log.story).not.toContain('away');
    for (const backplane of backplanes) await expectService(backplane);
  });

  it('case 11: `timeout 1` on the server: the next calls succeed, large ones and raw ones too', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    await backplane.cacheSet('small', 1);
    await backplane.cacheSet('large', LARGE);
    const [, bulk] = await connectionsOf(redis);
    await redis.command('CONFIG', 'SET', 'timeout', 1);
    const isClosed = async () => (await connectionsOf(redis)).every(({ id }) => id !== bulk.id);
    await until(isClosed, { what: 'the server closed the connection that is idle' });
    expect(await backplane.cacheGet('small')).toBe(1);
    expect((await backplane.cacheGet('large'))?.length).toBe(LARGE.length);
    expect(await backplane.call('GET', 'cache:small')).toEqual({ value: '1' });
    expect(backplane.log.story).not.toContain('away');
  });

  describe('while calls wait for their answers', () => {
    /** Closes all connections when the calls that `make` makes have reached Redis. */
    async function closedUnder({ redis, proxy }, marks, make) {
      await isStable(redis);
      const sent = [];
      proxy.onRequest((chunk) => {
        sent.push(chunk);
      });
      proxy.stallReplies();
      const calls = make();
      const isSent = () => marks.every((mark) => Buffer.concat(sent).includes(mark));
      await until(isSent, { what: 'the calls have been sent' });
      proxy.cut();
      proxy.flow();
      return Promise.all(calls);
    }

    it('case 11: they are carried out again', async () => {
      const opened = await stage.ready({ commandTimeoutMs: 2000 });
      const { redis, backplane } = opened;
      await backplane.cacheSet('k', 1);
      await backplane.cacheSet('gone', 1);
      const answers = await closedUnder(opened, ['cache:k', 'cache:set', 'cache:gone', 'cache:loaded'], () => [
        backplane.cacheGet('k'),
        backplane.cacheSet('set', 2),
        backplane.cacheDelete('gone'),
        backplane.cacheGetOrSet('loaded', () => 3),
      ]);
      expect(answers).toEqual([1, true, true, 3]);
      expect(await redis.command('MGET', 'cache:set', 'cache:gone', 'cache:loaded')).toEqual(['2', null, '3']);
    });

    it('case 11: a pattern is carried out again', async () => {
      const opened = await stage.ready({ commandTimeoutMs: 2000 });
      const { redis, backplane } = opened;
      await backplane.cacheSet('p:1', 1);
      await closedUnder(opened, ['SCAN'], () => [backplane.cacheDeletePattern('p:*')]);
      expect(await redis.command('EXISTS', 'cache:p:1')).toBe(0);
    });

    it('case 12: reading a large value is carried out again', async () => {
      const opened = await stage.ready({ commandTimeoutMs: 2000 });
      const { redis, proxy, backplane } = opened;
      await backplane.cacheSet('large', LARGE);
      await isStable(redis);
      const [, bulk] = proxy.links;
      bulk.flow({ request: true, reply: false });
      let isAsked = false;
      proxy.onRequest((chunk) => {
        isAsked ||= chunk.includes('$3\r\nGET\r\n');
      });
      const read = backplane.cacheGet('large');
      await until(() => isAsked, { what: 'the value has been asked for' });
      proxy.cut();
      expect((await read)?.length).toBe(LARGE.length);
    });

    it('case 13: a raw command is not', async () => {
      const opened = await stage.ready();
      const { redis, backplane } = opened;
      expect(await backplane.call('INCR', 'n')).toEqual({ value: 1 });
      const [{ code }] = await closedUnder(opened, ['INCR'], () => [backplane.call('INCR', 'n')]);
      expect(['E_UNAVAILABLE', 'E_TIMEOUT']).toContain(code);
      await isReady(backplane);
      expect(await redis.command('GET', 'n')).toBe('2');
    });
  });
});
