'use strict';

const { until } = require('../support');
const { away, back, isReady, useStage } = require('../support/stage');

describe('queries in an outage', () => {
  const stage = useStage();

  /** A process, and another one that sees Redis all the time. */
  async function two(options) {
    const all = await stage.ready(options);
    const other = stage.backplane({ url: all.redis.url });
    await isReady(other);
    return { ...all, queries: all.backplane.queryCache, others: other.queryCache };
  }

  const R = { roomId: 'r' };

  it('away: results are kept here, for a short time, and go when they are invalidated', async () => {
    const all = await two({ queryCache: { degradedTtlSeconds: 1 } });
    const { queries } = all;
    await queries.set('q', R, 'on Redis');
    await away(all);
    expect(await queries.get('q', R)).toBeNull();
    expect(await queries.set('q', R, 'here', 100)).toBe(true);
    expect(await queries.get('q', R)).toBe('here');
    expect(await queries.invalidateRoom('r')).toBe(1);
    expect(await queries.get('q', R)).toBeNull();
    await queries.set('q', R, 'here', 100);
    await until(async () => (await queries.get('q', R)) === null);
    expect(await queries.getOrSet('other', R, () => 'loaded')).toBe('loaded');
    expect(await queries.invalidate('o*')).toBe(1);
  });

  it.each([
    ['a room', ({ queries }) => queries.invalidateRoom('r')],
    ['a query', ({ queries }) => queries.invalidateQuery('q')],
    ['a pattern', ({ queries }) => queries.invalidate('[pq]')],
    ['a new result', ({ queries }) => queries.set('q', R, 'new')],
  ])('back: what was there before %s is read by nobody', async (_what, change) => {
    const all = await two();
    const { queries, others } = all;
    await others.set('q', R, 'old');
    await others.set('stays', { roomId: 'q' }, 'theirs');
    await away(all);
    await change(all);
    await back(all);
    expect([await queries.get('q', R), await others.get('q', R)]).toEqual([null, null]);
    expect(await queries.get('stays', { roomId: 'q' })).toBe('theirs');
  });

  it.each([
    ['before the outage', async (all) => {
      await all.queries.get('q', R);
      await away(all);
    }],
    ['in the outage', async (all) => {
      await away(all);
      await all.queries.get('q', R);
      await back(all);
    }],
  ])('a set whose miss was %s keeps nothing', async (_when, miss) => {
    const all = await two();
    await miss(all);
    expect(await all.queries.set('q', R, 'maybe old')).toBe(false);
    expect(await all.queries.get('q', R)).toBeNull();
    expect(await all.queries.set('q', R, 'new')).toBe(true);
  });

  it('a value that is loaded across an outage is returned, and not kept', async () => {
    const all = await two();
    const value = await all.queries.getOrSet('q', R, async () => {
      await away(all);
      await all.others.invalidateRoom('r');
      await back(all);
      return 'old';
    });
    expect(value).toBe('old');
    expect(await all.queries.get('q', R)).toBeNull();
  });

  it('back: more was invalidated than can be remembered: nothing from before is read', async () => {
    const all = await two();
    await all.others.set('q', R, 'old');
    await all.others.set('another', {}, 'old');
    await away(all);
    const some = Array.from({ length: 2000 }, (_, i) => i);
    for (let i = 0; i < 30; i++) await Promise.all(some.map((j) => all.queries.invalidateRoom(`${i}/${j}`)));
    await back(all);
    expect([await all.others.get('q', R), await all.others.get('another', {})]).toEqual([null, null]);
  });
});
