'use strict';

const { useStage } = require('../support/stage');

const TOO_LARGE = 'x'.repeat(5_000_000);
const LARGE = 'x'.repeat(400_000);
const LASTS_MS = 2500;

/** A server that ends whoever has more than 2 MB of answers to come. */
describe('a value whose answer the server cuts off', () => {
  const stage = useStage();

  async function opened() {
    const redis = await stage.redis({ args: ['--client-output-buffer-limit', 'normal', '2mb', '0', '0'] });
    const backplane = stage.backplane({ url: redis.url, commandTimeoutMs: 1000 });
    await redis.command('SET', 'cache:cut', JSON.stringify(TOO_LARGE));
    const connections = async () =>
      Number(/total_connections_received:(\d+)/.exec(await redis.command('INFO', 'stats'))[1]);
    return { redis, backplane, connections };
  }

  it('is one failed read: no outage, nothing else fails, and it is not asked for all the time', async () => {
    const { backplane, connections } = await opened();
    const others = Array.from({ length: 20 }, (_, i) => `large:${i}`);
    for (const key of others) expect(await backplane.cacheSet(key, LARGE)).toBe(true);
    expect(await backplane.cacheSet('small', 1)).toBe(true);
    const before = await connections();
    const end = performance.now() + LASTS_MS;
    let rounds = 0;
    while (performance.now() < end) {
      rounds += 1;
      const [cut, small, ...large] = await Promise.all(
        ['cut', 'small', ...others.slice(rounds % 10, (rounds % 10) + 10)].map((key) => backplane.cacheGet(key))
      );
      expect([cut, small]).toEqual([null, 1]);
      expect(large.filter((value) => value === LARGE)).toHaveLength(10);
    }
    // Every second it may be tried again, and whoever was under way with it the first time.
    expect((await connections()) - before).toBeLessThan(40);
    expect(backplane.getMetrics().connection.becameDegraded).toBe(0);
    expect(backplane.log.story).toEqual(['ready']);
  });

  it('is read again once it is smaller', async () => {
    const { backplane } = await opened();
    expect(await backplane.cacheGet('cut')).toBeNull();
    expect(await backplane.cacheSet('cut', 'small')).toBe(true);
    expect(await backplane.cacheGet('cut')).toBe('small');
    expect(backplane.getMetrics().connection.becameDegraded).toBe(0);
  });

  it('is an error with a code for a raw command', async () => {
    const { backplane } = await opened();
    const cut = await backplane.call('GET', 'cache:cut');
    expect(['E_UNAVAILABLE', 'E_TIMEOUT']).toContain(cut.code);
    expect(await backplane.call('ECHO', 'x')).toEqual({ value: 'x' });
    expect(backplane.getMetrics().connection.becameDegraded).toBe(0);
  });

  it('a value that the server does not take is one failed write', async () => {
    const { redis, backplane } = await opened();
    expect(await backplane.cacheSet('k', 'before')).toBe(true);
    await redis.command('CONFIG', 'SET', 'client-query-buffer-limit', '1mb');
    expect(await backplane.cacheSet('k', TOO_LARGE)).toBe(false);
    expect(await backplane.cacheGet('k')).toBeNull();
    expect(await backplane.cacheSet('k', 'after')).toBe(true);
    expect(backplane.getMetrics().connection.becameDegraded).toBe(0);
  });
});
