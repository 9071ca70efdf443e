'use strict';

const { until } = require('../support');
const { isReady, useStage } = require('../support/stage');
const { expectService } = require('../support/service');

const LARGE = 'x'.repeat(300_000);

/** `ms`: a round trip. */
async function slow(stage, ms, options) {
  const redis = await stage.redis();
  const proxy = await stage.proxy(redis);
  proxy.delay(ms / 2);
  return { redis, proxy, backplane: stage.backplane({ url: proxy.url, ...options }) };
}

describe('a slow network', () => {
  const stage = useStage();

  it('case 7: 300 ms of latency: everything is right, only slower', async () => {
    const { redis, proxy, backplane } = await slow(stage, 300, { connectTimeoutMs: 4000, commandTimeoutMs: 2000 });
    await expectService(backplane);
    expect(await backplane.cacheSet('large', LARGE)).toBe(true);
    expect((await backplane.cacheGet('large')) === LARGE).toBe(true);
    expect(await backplane.call('GET', 'cache:none')).toEqual({ value: null });
    const many = Array.from({ length: 300 }, (_, i) => i);
    expect(await Promise.all(many.map((i) => backplane.cacheSet(`many:${i}`, i)))).toEqual(many.map(() => true));
    expect(await Promise.all(many.map((i) => backplane.cacheGet(`many:${i}`)))).toEqual(many);
    expect(await redis.command('DBSIZE')).toBe(301);
    expect(proxy.accepted).toBe(2);
    expect(backplane.log.story).toEqual(['ready']);
  });

  it('case 7: several parallel loads at 300 ms run one loader', async () => {
    const { backplane } = await slow(stage, 300, { connectTimeoutMs: 4000, commandTimeoutMs: 2000 });
    let runs = 0;
    const loads = Array.from({ length: 20 }, () => backplane.cacheGetOrSet('k', () => (runs += 1)));
    expect(await Promise.all(loads)).toEqual(loads.map(() => 1));
    expect(runs).toBe(1);
    expect(await backplane.cacheGet('k')).toBe(1);
  });

  it('300 ms of latency and the usual deadline: presence and sessions are set, on a server that knows no script', async () => {
    const { redis, proxy, backplane } = await slow(stage, 300, { connectTimeoutMs: 4000, commandTimeoutMs: 1000 });
    let unknown = 0;
    proxy.onReply((chunk) => void (unknown += chunk.includes('NOSCRIPT')));
    await isReady(backplane);
    expect(await backplane.setPresence('u', 's', { roomId: 'r' })).toBe(true);
    expect(await backplane.sessionCache.setSession('s', { userId: 'u' })).toBe(true);
    expect(unknown).toBe(0);
    const near = stage.backplane({ url: redis.url });
    await until(async () => (await near.isUserOnline('u')) && near.sessionCache.getSession('s'), { what: 'both are there' });
  });

  it('600 ms: what is told is answered in time, goes on, and is there for everybody', async () => {
    const { redis, proxy, backplane } = await slow(stage, 600, { connectTimeoutMs: 6000, commandTimeoutMs: 1000 });
    await isReady(backplane);
    expect(await backplane.setPresence('u', 's', { roomId: 'r' })).toBe(true);
    expect(await backplane.sessionCache.setSession('s', { userId: 'u' })).toBe(true);
    expect(await backplane.queryCache.set('q', {}, 1)).toBe(true);
    const near = stage.backplane({ url: redis.url });
    await until(() => near.isUserOnline('u'), { what: 'the user is online' });
    await until(() => near.sessionCache.getSession('s'), { what: 'the session is there' });
    await until(() => near.queryCache.get('q'), { what: 'the result is there' });
    expect(await backplane.removePresence('u', 's')).toBe(true);
    await until(async () => !(await near.isUserOnline('u')), { what: 'the user has gone' });
    expect(proxy.accepted).toBe(1);
    expect(backplane.log.story).toEqual(['ready']);
  });

  // Each exchange takes two thirds of the deadline, and each of these calls needs several.
  describe('case 7: a call of several exchanges has one deadline', () => {
    async function nearTheDeadline(prepare, options) {
      const opened = await stage.ready({ connectTimeoutMs: 4000, commandTimeoutMs: 600, ...options });
      await prepare?.(opened.backplane);
      opened.proxy.delay(200);
      return opened.backplane;
    }

    it('a value that may be served stale', async () => {
      const backplane = await nearTheDeadline((b) => b.cacheGetOrSet('k', () => 1, { staleSeconds: 60 }));
      expect([1, null]).toContain(await backplane.cacheGet('k'));
    });

    it('a load', async () => {
      const backplane = await nearTheDeadline();
      expect(await backplane.cacheGetOrSet('k', () => 1)).toBe(1);
    });

    it('a large value', async () => {
      const backplane = await nearTheDeadline((b) => b.cacheSet('k', LARGE));
      expect([LARGE.length, undefined]).toContain((await backplane.cacheGet('k'))?.length);
    });

    it('a session', async () => {
      const backplane = await nearTheDeadline((b) => b.sessionCache.setSession('s', { userId: 'u' }));
      expect([true, false]).toContain(await backplane.sessionCache.setSession('s', { userId: 'u' }));
    });

    it('a query', async () => {
      const backplane = await nearTheDeadline((b) => b.queryCache.set('q', { roomId: 'r' }, 1));
      expect([true, false]).toContain(await backplane.queryCache.set('q', { roomId: 'r' }, 2));
    });

    it('a query that is not there', async () => {
      const backplane = await nearTheDeadline();
      expect(await backplane.queryCache.get('q', { roomId: 'r' })).toBeNull();
    });

    it('a message, of which the others are told', async () => {
      const backplane = await nearTheDeadline((b) => b.messageCache.get('h'));
      expect(await backplane.messageCache.set('h', 1)).toBeUndefined();
      expect(await backplane.messageCache.clear()).toBeUndefined();
      expect(await backplane.messageCache.get('h')).toBeNull();
    });

    it('a value, of which the others are told', async () => {
      const backplane = await nearTheDeadline((b) => b.cacheGet('k'), { localCache: {} });
      expect([true, false]).toContain(await backplane.cacheSet('k', 1));
      expect([true, false]).toContain(await backplane.cacheDelete('k'));
    });

    it('a load, of which the others are told', async () => {
      const backplane = await nearTheDeadline((b) => b.cacheGet('k'), { localCache: {} });
      expect(await backplane.cacheGetOrSet('k', () => 1)).toBe(1);
    });

    it('watching a room, on a connection that is new; its view is right as soon as that can be', async () => {
      const { backplane, proxy } = await stage.ready({ connectTimeoutMs: 4000, commandTimeoutMs: 600 });
      await backplane.setPresence('u', 's', { roomId: 'r' });
      const told = [];
      proxy.delay(200);
      await backplane.watch('watchRoom', () => backplane.watchRoom('r', ({ type }) => told.push(type)));
      proxy.delay(0);
      await backplane.removePresence('u', 's');
      await until(() => told.includes('leave'));
      expect(told.filter((type) => type === 'leave')).toEqual(['leave']);
    });

    it('calls that wait for one another: of a socket', async () => {
      const backplane = await nearTheDeadline((b) => b.setPresence('u', 's', { roomId: 'a' }));
      const presence = new backplane.PresenceService();
      const answers = await Promise.all([
        backplane.setPresence('u', 's', { roomId: 'b' }),
        backplane.removePresence('u', 's'),
        backplane.watch('refreshPresence', () => presence.refreshPresence('u', 's', 'b')),
      ]);
      for (const answer of answers) expect([true, false]).toContain(answer);
    });

    it('calls that wait for one another: of a room', async () => {
      const backplane = await nearTheDeadline((b) => b.queryCache.set('q', { roomId: 'r' }, 1));
      const [set, removed, setAgain] = await Promise.all([
        backplane.queryCache.set('q', { roomId: 'r' }, 2),
        backplane.queryCache.invalidateRoom('r'),
        backplane.queryCache.set('q', { roomId: 'r' }, 3),
      ]);
      expect([set, setAgain].every((kept) => typeof kept === 'boolean')).toBe(true);
      expect([0, 1]).toContain(removed);
    });

    it('a large value on a new connection', async () => {
      const redis = await stage.redis();
      await redis.command('SET', 'cache:k', `"${LARGE}"`);
      const proxy = await stage.proxy(redis);
      const backplane = stage.backplane({ url: proxy.url, connectTimeoutMs: 4000, commandTimeoutMs: 600 });
      await backplane.cacheGet('none');
      proxy.delay(200);
      expect([LARGE.length, undefined]).toContain((await backplane.cacheGet('k'))?.length);
    });
  });
});
