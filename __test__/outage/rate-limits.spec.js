'use strict';

const { freePort, until } = require('../support');
const { away, back, isAway, isReady, useStage } = require('../support/stage');

const KINDS = [['fixed-window', 'fixed'], ['sliding-window', 'sliding'], ['token-bucket', 'bucket']];
const HOUR = 3600;
const DEADLINE_MS = 300;
const SLACK_MS = 100;

describe.each(KINDS)('rate limits in an outage: %s', (algorithm, space) => {
  const stage = useStage();

  /** Calls that are held to their deadline; that of the first attempt to connect is another. */
  function limitsOf(backplane, deadlineMs = DEADLINE_MS) {
    const within = async (call) => {
      const begun = performance.now();
      const answer = await call();
      expect(performance.now() - begun).toBeLessThan(deadlineMs + SLACK_MS);
      return answer;
    };
    return {
      check: (max = 5, { key = 'k', cost = 1 } = {}) => within(() => backplane.checkRateLimit(key, max, HOUR, { algorithm, cost })),
      reset: (key = 'k') => within(() => backplane.resetRateLimit(key)),
    };
  }

  async function opened(options) {
    const all = await stage.ready(options);
    return { ...all, ...limitsOf(all.backplane) };
  }

  /** What Redis has counted: asked by somebody else, at a cost that is never allowed. */
  async function countedOn(redis, max = 5, key = 'k') {
    const other = stage.backplane({ url: redis.url });
    await isReady(other);
    const { count, source } = await other.checkRateLimit(key, max, HOUR, { algorithm, cost: max + 1 });
    expect(source).toBe('redis');
    return count;
  }

  it('case 3: an answer that is held back: counted once on Redis, judged here in time', async () => {
    const all = await opened();
    await all.check();
    all.proxy.stallReplies();
    expect(await all.check()).toMatchObject({ allowed: true, count: 1, source: 'memory' });
    all.proxy.cut();
    await back(all);
    expect(await countedOn(all.redis)).toBe(2);
    expect(await all.check()).toMatchObject({ allowed: true, count: 3, source: 'redis' });
  });

  it('case 3: a connection that is cut between the request and the answer: counted once', async () => {
    const all = await opened();
    await all.check();
    for (let i = 1; i <= 3; i += 1) {
      let isCut = false;
      all.proxy.onReply(() => {
        if (isCut) return undefined;
        isCut = true;
        all.proxy.cut();
        return null;
      });
      expect(await all.check(50)).toMatchObject({ allowed: true, source: 'memory' });
      all.proxy.onReply(() => {});
      await isReady(all.backplane);
      expect(await countedOn(all.redis, 50)).toBe(1 + i);
    }
  });

  it('case 3: 200 at once whose answers are lost are counted at most once each', async () => {
    const all = await opened();
    await all.check(1000);
    all.proxy.stallReplies();
    const answers = await Promise.all(Array.from({ length: 200 }, () => all.check(1000)));
    expect(answers.every(({ source, allowed }) => allowed && source === 'memory')).toBe(true);
    all.proxy.cut();
    await back(all);
    expect(await countedOn(all.redis, 1000)).toBeLessThanOrEqual(201);
  });

  it('case 3: one that was never delivered is not delivered later', async () => {
    const all = await opened();
    await all.check();
    all.proxy.stall();
    expect(await all.check()).toMatchObject({ allowed: true, source: 'memory' });
    all.proxy.cut();
    await back(all);
    expect(await countedOn(all.redis)).toBeLessThanOrEqual(2);
  });

  it('away: counts from zero, exactly; back: goes on from Redis, and memory is forgotten', async () => {
    const all = await opened();
    for (let i = 1; i <= 3; i += 1) expect(await all.check()).toMatchObject({ count: i, source: 'redis' });
    for (let round = 0; round < 2; round += 1) {
      await away(all);
      const answers = await Promise.all(Array.from({ length: 100 }, () => all.check()));
      expect(answers.filter(({ allowed }) => allowed).length).toBe(5);
      expect(answers.every(({ source, limit }) => source === 'memory' && limit === 5)).toBe(true);
      expect(await all.check(5, { cost: 6 })).toMatchObject({ allowed: false, count: 5, source: 'memory' });
      await back(all);
      expect(await all.check()).toMatchObject({ allowed: true, count: 4 + round, source: 'redis' });
    }
    expect(await all.check()).toMatchObject({ allowed: false, count: 5, source: 'redis' });
  });

  it('a limit that was known to be exhausted is begun anew in memory, and is exhausted again on Redis', async () => {
    const all = await opened();
    await until(async () => !(await all.check(1)).allowed);
    await until(async () => (await all.redis.command('PUBSUB', 'NUMSUB', 'backplane:limits'))[1] > 0, { what: 'it listens' });
    for (let i = 0; i < 3; i += 1) expect(await all.check(1)).toMatchObject({ allowed: false, source: 'redis' });
    await away(all);
    expect(await all.check(1)).toMatchObject({ allowed: true, source: 'memory' });
    expect(await all.check(1)).toMatchObject({ allowed: false, source: 'memory' });
    await back(all);
    expect(await all.check(1)).toMatchObject({ allowed: false, source: 'redis' });
  });

  it('a server that was never there', async () => {
    const backplane = stage.backplane({ url: `redis://127.0.0.1:${await freePort()}` });
    const { check, reset } = limitsOf(backplane, 1000);
    const answers = await Promise.all(Array.from({ length: 100 }, () => check()));
    expect(answers.filter(({ allowed }) => allowed).length).toBe(5);
    await reset();
    expect(await check()).toMatchObject({ allowed: true, count: 1, source: 'memory' });
  });

  it('a server that is stopped (SIGSTOP) and goes on', async () => {
    const all = await opened({ proxied: false });
    await all.check();
    all.redis.pause();
    const answers = await Promise.all([all.check(), all.check(), all.reset('other'), all.check()]);
    expect(answers.filter(Boolean).map(({ source }) => source)).toEqual(['memory', 'memory', 'memory']);
    await isAway(all.backplane);
    expect(await all.check()).toMatchObject({ allowed: true, count: 4, source: 'memory' });
    all.redis.resume();
    await isReady(all.backplane);
    const counted = await countedOn(all.redis);
    expect(counted).toBeGreaterThanOrEqual(1);
    expect(counted).toBeLessThanOrEqual(4);
    expect(await all.check()).toMatchObject({ allowed: true, count: counted + 1, source: 'redis' });
  });

  it('a server that is killed, and restarted empty', async () => {
    const all = await opened({ proxied: false });
    await until(async () => !(await all.check(2)).allowed);
    await all.redis.kill();
    await isAway(all.backplane);
    expect(await all.check(2)).toMatchObject({ allowed: true, count: 1, source: 'memory' });
    await all.redis.restart();
    await isReady(all.backplane);
    expect(await all.check(2)).toMatchObject({ allowed: true, count: 1, source: 'redis' });
  });

  it('case 13: scripts that are forgotten: one effect', async () => {
    const all = await opened({ proxied: false });
    for (let i = 1; i <= 3; i += 1) {
      await all.redis.command('SCRIPT', 'FLUSH');
      expect(await all.check()).toMatchObject({ allowed: true, count: i, source: 'redis' });
    }
    await all.redis.command('SCRIPT', 'FLUSH');
    const answers = await Promise.all(Array.from({ length: 50 }, () => all.check(20)));
    expect(answers.filter(({ allowed }) => allowed).length).toBe(17);
    expect(await countedOn(all.redis, 20)).toBe(20);
  });

  it('a reset while Redis is away is one on Redis when it is back', async () => {
    const all = await opened();
    await until(async () => !(await all.check(2)).allowed);
    await away(all);
    await until(async () => !(await all.check(2)).allowed);
    await all.reset();
    expect(await all.check(2)).toMatchObject({ allowed: true, count: 1, source: 'memory' });
    await back(all);
    expect(await all.redis.command('EXISTS', `limit:${space}:k`)).toBe(0);
    expect(await all.check(2)).toMatchObject({ allowed: true, count: 1, source: 'redis' });
  });

  it('a reset while Redis is away is one on Redis, however much was written meanwhile', async () => {
    const all = await opened();
    await until(async () => !(await all.check(2)).allowed);
    await away(all);
    await all.reset();
    // Beyond 16 MiB of keys the journal no longer tells them apart.
    const long = 'k'.repeat(60_000);
    await Promise.all(Array.from({ length: 300 }, (_, i) => all.backplane.cacheDelete(`${long}${i}`)));
    await back(all);
    expect(await all.check(2)).toMatchObject({ allowed: true, count: 1, source: 'redis' });
  });

  it('a reset whose answer is lost is in time, and carried out', async () => {
    const all = await opened();
    await until(async () => !(await all.check(2)).allowed);
    all.proxy.stallReplies();
    await all.reset();
    all.proxy.cut();
    await back(all);
    expect(await countedOn(all.redis, 2)).toBe(0);
  });

  it('case 7: on a slow network every call keeps its deadline', async () => {
    const all = await opened();
    await all.check();
    all.proxy.delay(110);
    expect(await all.check()).toMatchObject({ count: 2, source: 'redis' });
    await all.reset();
    expect(await all.check()).toMatchObject({ count: 1, source: 'redis' });
  });

  it('case 10: READONLY: goes to memory, and is not counted twice', async () => {
    const all = await opened({ proxied: false });
    await all.check();
    await all.redis.command('REPLICAOF', '127.0.0.1', await freePort());
    expect(await all.check()).toMatchObject({ allowed: true, count: 1, source: 'memory' });
    expect(await all.check()).toMatchObject({ allowed: true, count: 2, source: 'memory' });
    await all.redis.command('REPLICAOF', 'NO', 'ONE');
    await isReady(all.backplane);
    expect(await all.check()).toMatchObject({ allowed: true, count: 2, source: 'redis' });
  });

  it('case 10: OOM: the limit holds, in memory, and Redis keeps what it had', async () => {
    const all = await opened({ proxied: false });
    await all.check(3);
    await all.check(3);
    await all.redis.command('CONFIG', 'SET', 'maxmemory', 1);
    const answers = [];
    for (let i = 0; i < 10; i += 1) answers.push(await all.check(3));
    expect(answers.filter(({ allowed }) => allowed).length).toBeLessThanOrEqual(3);
    await all.redis.command('CONFIG', 'SET', 'maxmemory', 0);
    await isReady(all.backplane);
    expect(await all.check(3)).toMatchObject({ allowed: true, count: 3, source: 'redis' });
  });

  it('case 10: LOADING after a restart: counted in memory, then from what was saved', async () => {
    const all = await opened({ args: ['--enable-debug-command', 'yes', '--rdbcompression', 'no'], proxied: false });
    await all.check();
    await all.redis.command('DEBUG', 'POPULATE', 5000, 'filler', 2048);
    await all.redis.command('SAVE');
    await all.redis.kill();
    await isAway(all.backplane);
    await all.redis.restart(['--key-load-delay', '12000', '--loading-process-events-interval-bytes', '1024']);
    for (let i = 1; i <= 3; i += 1) expect(await all.check()).toMatchObject({ allowed: true, count: i, source: 'memory' });
    await all.redis.command('CONFIG', 'SET', 'key-load-delay', 0);
    await isReady(all.backplane);
    expect(await all.check()).toMatchObject({ allowed: true, count: 2, source: 'redis' });
  });
});
