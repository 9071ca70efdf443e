'use strict';

const { until } = require('./support');
const { CALLS, nameOf } = require('./support/functions');
const { NOBODY, PLACES, silent, usePlace } = require('./support/places');
const { away, back, isReady, useStage } = require('./support/stage');
const { countedFunctions } = require('../lib/native');
const { createBackplane } = require('..');

const HOSTILE = 'secret-"id"\n{}';

describe.each(PLACES)('what is counted of each function, on %s', (name, start) => {
  const place = usePlace(start);
  const fromMemory = name === 'memory';
  const all = (counts) => ({ errors: 0, fromMemory: fromMemory ? counts.calls : 0, ...counts });

  async function counted(backplane) {
    const { functions } = backplane.getMetrics();
    return Object.fromEntries(Object.entries(functions).map(([key, { latencyMs: _, ...counts }]) => [key, counts]));
  }

  it('calls, hits and misses', async () => {
    const backplane = await place.open();
    const { queryCache, sessionCache, messageCache } = backplane;
    await backplane.cacheSet('k', 1);
    await Promise.all([backplane.cacheGet('k'), backplane.cacheGet('k'), backplane.cacheGet('no')]);
    await backplane.cacheGetOrSet('k', () => 2);
    await backplane.cacheGetOrSet('no', () => 2);
    await backplane.cacheDelete('k');
    await queryCache.getOrSet('q', { roomId: 'r' }, () => 1);
    await queryCache.get('q', { roomId: 'r' });
    await queryCache.invalidateRoom('r');
    await sessionCache.getSession('s');
    await messageCache.set('h', 1);
    await messageCache.get('h');
    await backplane.acquireLock('l');
    await backplane.withLock('m', (lock) => lock.extend());
    await backplane.releaseLock('l');
    await backplane.setPresence('u', 's');
    await backplane.isUserOnline('u');
    await backplane.publish('c', 1);
    expect(await counted(backplane)).toEqual({
      // One of them found out where the backplane is.
      cacheGet: all({ calls: 4, hits: 2, misses: 2 }),
      cacheSet: all({ calls: 1 }),
      cacheGetOrSet: all({ calls: 2, hits: 1, misses: 1 }),
      cacheDelete: all({ calls: 1 }),
      'queryCache.getOrSet': all({ calls: 1, hits: 0, misses: 1 }),
      'queryCache.get': all({ calls: 1, hits: 1, misses: 0 }),
      'queryCache.invalidateRoom': all({ calls: 1 }),
      'sessionCache.getSession': all({ calls: 1, hits: 0, misses: 1 }),
      'messageCache.set': all({ calls: 1 }),
      'messageCache.get': all({ calls: 1, hits: 1, misses: 0 }),
      acquireLock: all({ calls: 1 }),
      releaseLock: all({ calls: 1 }),
      withLock: all({ calls: 1 }),
      'lock.extend': all({ calls: 1 }),
      'lock.release': all({ calls: 1 }),
      setPresence: all({ calls: 1 }),
      isUserOnline: all({ calls: 1 }),
      publish: all({ calls: 1 }),
    });
  });

  it('how long they took', async () => {
    const backplane = await place.open();
    await Promise.all(Array.from({ length: 100 }, (_, i) => backplane.cacheSet(`k${i}`, i)));
    const { p50, p90, p99, max, mean } = backplane.getMetrics().functions.cacheSet.latencyMs;
    expect(0 < p50 && p50 <= p90 && p90 <= p99 && p99 <= max).toBe(true);
    expect(mean > 0 && mean <= max).toBe(true);
    expect(backplane.getMetrics().functions).not.toHaveProperty('cacheDelete');
  });

  it('a lock that is waited for took that long', async () => {
    const backplane = await place.open();
    await backplane.acquireLock('l');
    await backplane.lock('l', { waitMs: 50 });
    const { latencyMs } = backplane.getMetrics().functions.lock;
    expect(latencyMs.p50).toBeGreaterThanOrEqual(49);
    expect(latencyMs.max).toBeLessThan(10_000);
  });

  it('limits, also those that are known to be reached', async () => {
    const backplane = await place.open();
    for (let i = 0; i < 5; i++) await backplane.checkRateLimit('k', 2);
    const { limits, functions } = backplane.getMetrics();
    expect(limits).toEqual({ allowed: 2, denied: 3 });
    expect(functions.checkRateLimit.calls).toBe(5);
  });

  it('loaders', async () => {
    const backplane = await place.open();
    const fails = () => Promise.reject(new Error('no'));
    await expect(backplane.cacheGetOrSet('k', fails)).rejects.toThrow('no');
    await backplane.queryCache.getOrSet('q', {}, () => 1);
    const { loaders } = backplane.getMetrics();
    expect(loaders).toEqual({ runs: 2, failures: 1 });
  });

  it('messages, those that came too fast among them', async () => {
    const backplane = await place.open({ pubsub: { maxQueued: 10 } });
    const pubSub = backplane.getPubSub();
    const seen = [];
    await pubSub.subscribe('c', (data) => seen.push(data));
    await Promise.all(Array.from({ length: 5 }, (_, i) => pubSub.publish('c', i)));
    await until(() => seen.length === 5, { what: 'all messages' });
    expect(backplane.getMetrics().pubsub).toEqual({ published: 5, received: 5, dropped: 0, gaps: 0 });
    expect(backplane.getMetrics().queues).toEqual({ calls: 0, messages: 0, messageBytes: 0 });
  });

  it('nothing of a caller is in it', async () => {
    const backplane = await place.open();
    await backplane.cacheSet(HOSTILE, HOSTILE);
    await backplane.queryCache.get(HOSTILE, { roomId: HOSTILE });
    await backplane.setPresence(HOSTILE, HOSTILE, { roomId: HOSTILE });
    await backplane.publish(HOSTILE, HOSTILE);
    await backplane.checkRateLimit(HOSTILE, 1);
    expect(JSON.stringify(backplane.getMetrics())).not.toContain('secret');
    expect(backplane.prometheusMetrics()).not.toContain('secret');
  });

  it('each backplane counts for itself', async () => {
    const [one, other] = [await place.open(), await place.open()];
    await one.cacheSet('k', 1);
    expect(one.getMetrics().functions).toHaveProperty('cacheSet');
    expect(other.getMetrics().functions).not.toHaveProperty('cacheSet');
  });
});

describe('the names of what is counted', () => {
  const stage = useStage();
  const ends = (what) => nameOf(what).endsWith('close');

  it('the table of functions calls each of them', async () => {
    const { backplane } = await stage.ready({ commandTimeoutMs: 1000 });
    for (const [what, { before, call }] of CALLS) {
      if (ends(what)) continue;
      await before?.(backplane);
      await call(backplane);
    }
    // A function of a lock, not of a backplane.
    await backplane.withLock('extended', (lock) => lock.extend());
    const names = countedFunctions().map(({ name }) => name);
    expect(Object.keys(backplane.getMetrics().functions)).toEqual(names);
  });
});

describe('metrics in an outage', () => {
  const stage = useStage();

  it('say who answered, and tell the story of the connection', async () => {
    const all = await stage.ready();
    const { backplane } = all;
    const before = backplane.getMetrics();
    expect(before.connection).toEqual({ state: 'ready', since: expect.any(Number), reason: null, becameReady: 1, becameDegraded: 0, server: expect.objectContaining({ role: 'master' }) });
    await away(all);
    await backplane.cacheSet('k', 1);
    const during = backplane.getMetrics();
    expect(during.connection).toMatchObject({ state: 'degraded', reason: expect.any(String), becameReady: 1, becameDegraded: 1 });
    expect(during.connection.since).toBeGreaterThanOrEqual(before.connection.since);
    expect(during.functions.cacheSet).toMatchObject({ calls: 1, fromMemory: 1 });
    expect(during.memory.entries).toBe(1);
    expect(during.redis).toBeNull();
    await back(all);
    await backplane.cacheSet('k', 1);
    const after = backplane.getMetrics();
    expect(after.connection).toMatchObject({ state: 'ready', reason: null, becameReady: 2, becameDegraded: 1 });
    expect(after.functions.cacheSet).toMatchObject({ calls: 2, fromMemory: 1 });
    expect(after.memory.entries).toBe(0);
  });

  it('commands of the caller are the ones that fail', async () => {
    const all = await stage.ready();
    const { backplane } = all;
    await away(all);
    await expect(backplane.getClient().call('PING')).rejects.toMatchObject({ code: 'E_UNAVAILABLE' });
    expect(backplane.getMetrics().functions.call).toMatchObject({ calls: 1, errors: 1 });
  });

  it('calls that wait for a server that stands still are under way', async () => {
    const { backplane, redis } = await stage.ready({ commandTimeoutMs: 5000 });
    process.kill(redis.pid, 'SIGSTOP');
    const waiting = [backplane.cacheGet('a'), backplane.cacheGet('b')];
    await until(() => backplane.getMetrics().queues.calls === 2, { what: 'two calls under way' });
    process.kill(redis.pid, 'SIGCONT');
    await Promise.all(waiting);
    expect(backplane.getMetrics().queues.calls).toBe(0);
  });

  it("the server's memory and its limit", async () => {
    const { backplane } = await stage.ready({ args: ['--maxmemory', '123456789'] });
    expect(backplane.getMetrics().redis).toBeNull();
    const { redis } = await until(() => backplane.getMetrics().redis && backplane.getMetrics(), { what: 'the memory of the server' });
    expect(redis).toEqual({ usedMemory: expect.any(Number), maxMemory: 123_456_789, at: expect.any(Number) });
    expect(redis.usedMemory).toBeGreaterThan(100_000);
    expect(backplane.prometheusMetrics()).toContain('redis_backplane_redis_memory_max_bytes 123456789\n');
  });

  it('a user who may not ask for it is served all the same', async () => {
    const { redis } = await stage.ready();
    await redis.command('ACL', 'SETUSER', 'app', 'on', '>pw', '~*', '&*', '+@all', '-info');
    const backplane = stage.backplane({ url: redis.url.replace('//', '//app:pw@') });
    await isReady(backplane);
    backplane.getMetrics();
    const asked = async () => /cmd=|/.test(await redis.command('ACL', 'LOG')) && (await redis.command('ACL', 'LOG')).length > 0;
    await until(asked, { what: 'the server has refused' });
    await backplane.cacheSet('k', 1);
    expect(backplane.getMetrics().redis).toBeNull();
    expect(await backplane.health()).toMatchObject({ status: 'ok' });
  });
});

describe('metrics at the ends', () => {
  it('before the first call there is nothing, and no connection is made', async () => {
    const backplane = createBackplane({ url: NOBODY, logger: silent });
    expect(backplane.getMetrics()).toMatchObject({ connection: { state: 'idle' }, functions: {}, redis: null });
    expect(backplane.prometheusMetrics()).toContain('redis_backplane_up 0\n');
    expect(backplane.getMetrics().connection.state).toBe('idle');
    await backplane.close();
  });

  it('a wrong configuration is no reason to throw', async () => {
    const backplane = createBackplane({ url: 'redis://user:hunter2@host:notaport', logger: silent });
    expect(backplane.getMetrics().functions).toEqual({});
    const health = await backplane.health();
    expect(health).toMatchObject({ status: 'degraded', latencyMs: null, reason: expect.any(String) });
    expect(JSON.stringify(health)).not.toContain('hunter2');
    expect(backplane.getMetrics().connection.state).toBe('idle');
  });

  it('what was counted is there after the end', async () => {
    const backplane = createBackplane({ url: NOBODY, logger: silent });
    await backplane.cacheSet('k', 1);
    await backplane.close();
    expect(backplane.getMetrics()).toMatchObject({ connection: { state: 'closed' }, functions: { cacheSet: { calls: 1 } }, memory: { entries: 0 } });
  });
});

describe('health', () => {
  const stage = useStage();

  it('connects, and says how long an answer takes', async () => {
    const redis = await stage.redis();
    const backplane = stage.backplane({ url: redis.url });
    const begun = Date.now();
    const health = await backplane.health();
    expect(health).toEqual({ status: 'ok', latencyMs: expect.any(Number), since: expect.any(Number), reason: null, forbidden: [] });
    expect(health.latencyMs).toBeGreaterThan(0);
    // The two clocks are read one after the other, in whole milliseconds.
    expect(health.since).toBeGreaterThanOrEqual(begun - 1);
  });

  it('follows an outage and its end', async () => {
    const all = await stage.ready();
    const { since: first } = await all.backplane.health();
    await away(all);
    const during = await all.backplane.health();
    expect(during).toEqual({ status: 'degraded', latencyMs: null, since: expect.any(Number), reason: expect.any(String), forbidden: [] });
    expect(during.since).toBeGreaterThanOrEqual(first);
    expect((await all.backplane.health()).since).toBe(during.since);
    await back(all);
    expect(await all.backplane.health()).toMatchObject({ status: 'ok', reason: null });
  });

  it('a server that stands still is no health, and is known in time', async () => {
    const { backplane, redis } = await stage.ready();
    process.kill(redis.pid, 'SIGSTOP');
    expect(await backplane.health()).toMatchObject({ status: 'degraded', latencyMs: null, reason: expect.any(String) });
    process.kill(redis.pid, 'SIGCONT');
    await until(async () => (await backplane.health()).status === 'ok', { what: 'health' });
  });

  it('is closed after the end, since then', async () => {
    const { backplane } = await stage.ready();
    const before = Date.now();
    await backplane.close();
    const health = await backplane.health();
    expect(health).toEqual({ status: 'closed', latencyMs: null, since: expect.any(Number), reason: null, forbidden: [] });
    expect(health.since).toBeGreaterThanOrEqual(before);
  });
});
