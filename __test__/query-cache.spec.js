'use strict';

const vm = require('node:vm');
const { until } = require('./support');
const { deferred } = require('./support/deferred');
const { NOBODY, PLACES, onRedis, silent, usePlace } = require('./support/places');
const { createBackplane } = require('..');

const HOSTILE = ['query', 'a:b', 'b:c', '*', '?', '[a-z]', '{x}', '{', '__proto__', 'constructor', 'a\0b', '1', '"1"', ' ', '😀'.repeat(64)];

describe.each(PLACES)('queries on %s', (_where, start) => {
  const place = usePlace(start);
  let queries;

  beforeEach(async () => {
    ({ queryCache: queries } = await place.open());
  });

  test('a result is there until its time is over', async () => {
    expect(await queries.get('messages', { roomId: 'r', limit: 50 })).toBeNull();
    expect(await queries.set('messages', { roomId: 'r', limit: 50 }, [{ id: 1 }], 1)).toBe(true);
    expect(await queries.get('messages', { limit: 50, roomId: 'r' })).toEqual([{ id: 1 }]);
    await until(async () => (await queries.get('messages', { roomId: 'r', limit: 50 })) === null);
    expect(await queries.invalidateRoom('r')).toBe(0);
  });

  test.each([null, false, 0, '', [], {}])('%j is a value', async (value) => {
    expect(await queries.set('q', { a: 1 }, value)).toBe(true);
    expect(await queries.get('q', { a: 1 })).toEqual(value);
    expect(await queries.invalidateQuery('q')).toBe(1);
  });

  test('params are optional', async () => {
    await queries.set('q', undefined, 'all');
    expect([await queries.get('q'), await queries.get('q', {}), await queries.get('q', { a: undefined })]).toEqual(['all', 'all', 'all']);
  });

  test('case 27: the order of keys is irrelevant, everything else is not', async () => {
    const when = new Date(0);
    const different = [
      {}, { a: 1 }, { a: '1' }, { a: null }, { a: 'null' }, { a: true }, { a: 'true' }, { a: [1, 2] }, { a: [2, 1] }, { a: { b: 1, c: [{ d: 2, e: 3 }] } },
      { a: when }, { a: when.toISOString() }, { a: 0 }, { a: NaN }, { a: Infinity }, { a: new Set([1]) }, { a: new Map([[1, 2]]) },
      { a: [undefined] }, { a: [null] }, { a: Buffer.from('x') }, { a: { type: 'Buffer', data: [120] } }, { 'a":1,"b': 2 }, { a: 1, b: 2 }, { b: 1 },
    ];
    for (const [i, params] of different.entries()) expect(await queries.set('q', params, i)).toBe(true);
    for (const [i, params] of different.entries()) expect(await queries.get('q', params)).toBe(i);
    expect(await queries.get('q', { a: { c: [{ e: 3, d: 2 }], b: 1 } })).toBe(9);
    expect(await queries.get('q', { a: -0 })).toBe(12);
    expect(await queries.invalidateQuery('q')).toBe(different.length);
  });

  test('what JSON cannot tell apart is refused', async () => {
    class Secret {
      #owner;
      constructor(owner) {
        this.#owner = owner;
      }
      get owner() {
        return this.#owner;
      }
    }
    const hidden = [
      /alice/, new URLSearchParams('a=1'), new Secret('alice'), new Error('alice'), new ArrayBuffer(8), new WeakMap(), Promise.resolve(1), { [Symbol('gt')]: 5 },
      Object.assign([1], { owner: 'alice' }), Object.create({ owner: 'alice' }), new Proxy(new Secret('bob'), {}), [new Secret('alice')], { deep: [{ x: /bob/ }] },
    ];
    for (const a of hidden) {
      await expect(queries.set('q', { a }, 1)).rejects.toMatchObject({ name: 'TypeError', code: 'E_INVALID_VALUE' });
      await expect(queries.get('q', { a })).rejects.toMatchObject({ code: 'E_INVALID_VALUE' });
      await expect(queries.getOrSet('q', { a }, () => 1)).rejects.toMatchObject({ code: 'E_INVALID_VALUE' });
    }
    await expect(queries.get('q', new Secret('alice'))).rejects.toMatchObject({ code: 'E_INVALID_VALUE' });
  });

  test('what looks alike and means something else is told apart', async () => {
    const different = [new Number(1), new Number(2), new String('1'), new Boolean(true), new Uint8Array([1]), new Int8Array([1]), [1], Object.create(null)];
    for (const [i, a] of different.entries()) expect(await queries.set('q', { a }, i)).toBe(true);
    for (const [i, a] of different.entries()) expect(await queries.get('q', { a })).toBe(i);
    expect(await queries.get('q', { a: 2 })).toBe(1);
    expect(await queries.get('q', { a: {} })).toBe(7);
    expect(await queries.get('q', { a: vm.runInNewContext('({})') })).toBe(7);
  });

  test('a room is what JSON makes of it', async () => {
    const objectId = { toJSON: () => '64ab' };
    await queries.set('q', { roomId: objectId }, 'object');
    await queries.set('q', { roomId: [objectId, new String('other')] }, 'list');
    await queries.set('q', { roomId: NaN }, 'none');
    expect(await queries.invalidateRoom('NaN')).toBe(0);
    expect(await queries.invalidateRoom('other')).toBe(1);
    expect(await queries.invalidateRoom('64ab')).toBe(1);
    expect(await queries.get('q', { roomId: objectId })).toBeNull();
    expect(await queries.get('q', { roomId: NaN })).toBe('none');
  });

  test('a room takes its results along, whatever the query, and counts them', async () => {
    const mine = [['messages', { roomId: 'r', page: 1 }], ['messages', { roomId: 'r', page: 2 }], ['threads', { room_id: 'r' }], ['members', { roomId: ['q', 'r'] }]];
    const others = [['messages', { roomId: 'q', page: 1 }], ['messages', { page: 1 }], ['threads', { roomId: '*' }], ['threads', { roomId: 'R' }]];
    for (const [name, params] of [...mine, ...others]) await queries.set(name, params, name);
    expect(await queries.invalidateRoom('*')).toBe(1);
    expect(await queries.invalidateRoom('r')).toBe(4);
    for (const [name, params] of mine) expect(await queries.get(name, params)).toBeNull();
    for (const [name, params] of [others[0], others[1], others[3]]) expect(await queries.get(name, params)).toBe(name);
    expect(await queries.invalidateRoom('r')).toBe(0);
    expect(await queries.invalidateQuery('messages')).toBe(2);
  });

  test('a number names the room that has its digits', async () => {
    await queries.set('q', { roomId: 7 }, 'number');
    await queries.set('q', { roomId: '7' }, 'text');
    expect([await queries.get('q', { roomId: 7 }), await queries.get('q', { roomId: '7' })]).toEqual(['number', 'text']);
    expect(await queries.invalidateRoom(7)).toBe(2);
  });

  test('a pattern is one of names', async () => {
    for (const name of ['user:list', 'user:one', 'message:list', 'use[r]:list']) await queries.set(name, { roomId: 'r' }, name);
    expect(await queries.invalidate('user:*')).toBe(2);
    expect(await queries.get('user:list', { roomId: 'r' })).toBeNull();
    expect(await queries.get('message:list', { roomId: 'r' })).toBe('message:list');
    expect(await queries.invalidate('*')).toBe(2);
    expect(await queries.invalidateRoom('r')).toBe(0);
  });

  test('names and rooms are data', async () => {
    for (const name of HOSTILE) {
      expect(await queries.set(name, { roomId: name }, `query ${name}`)).toBe(true);
    }
    for (const [i, name] of HOSTILE.entries()) {
      expect(await (i % 2 ? queries.invalidateQuery(name) : queries.invalidateRoom(name))).toBe(1);
      for (const other of HOSTILE.slice(i + 1)) expect(await queries.get(other, { roomId: other })).toBe(`query ${other}`);
    }
  });

  test('what a set replaces is counted once', async () => {
    for (let i = 0; i < 3; i++) await queries.set('q', { roomId: 'r' }, i);
    expect(await queries.get('q', { roomId: 'r' })).toBe(2);
    expect(await queries.invalidateRoom('r')).toBe(1);
  });

  describe('the fence', () => {
    test.each([
      ['the room', (cache) => cache.invalidateRoom('r')],
      ['the query', (cache) => cache.invalidateQuery('q')],
      ['a pattern', (cache) => cache.invalidate('q*')],
    ])('a set whose miss was before the invalidation of %s keeps nothing', async (_what, invalidate) => {
      expect(await queries.get('q', { roomId: 'r' })).toBeNull();
      await invalidate(queries);
      expect(await queries.set('q', { roomId: 'r' }, 'old')).toBe(false);
      expect(await queries.get('q', { roomId: 'r' })).toBeNull();
      expect(await queries.set('q', { roomId: 'r' }, 'new')).toBe(true);
      expect(await queries.get('q', { roomId: 'r' })).toBe('new');
    });

    test('other rooms and queries do not move it', async () => {
      await queries.get('q', { roomId: 'r' });
      await Promise.all([queries.invalidateRoom('other'), queries.invalidateQuery('other'), queries.invalidate('other*')]);
      expect(await queries.set('q', { roomId: 'r' }, 1)).toBe(true);
    });

    test('a set without a miss is kept', async () => {
      await queries.invalidateRoom('r');
      expect(await queries.set('q', { roomId: 'r' }, 1)).toBe(true);
      expect(await queries.set('q', { roomId: 'r' }, 2)).toBe(true);
    });

    test('of misses that saw different things none is kept, and the next is', async () => {
      await queries.get('q', { roomId: 'r' });
      await queries.invalidateRoom('r');
      await queries.get('q', { roomId: 'r' });
      // Which of the two these are nobody knows.
      expect(await queries.set('q', { roomId: 'r' }, 'maybe old')).toBe(false);
      expect(await queries.set('q', { roomId: 'r' }, 'maybe old')).toBe(false);
      await queries.get('q', { roomId: 'r' });
      expect(await queries.set('q', { roomId: 'r' }, 'new')).toBe(true);
    });

    test('a late set does not harm what was set after the invalidation', async () => {
      const read = queries.getOrSet('q', { roomId: 'r' }, async () => {
        await queries.invalidateRoom('r');
        await queries.set('q', { roomId: 'r' }, 'explicit');
        return 'loaded';
      });
      expect(await read).toBe('loaded');
      expect(await queries.get('q', { roomId: 'r' })).toBe('explicit');
    });
  });

  describe('getOrSet', () => {
    test('10,000 callers of a cold result: one loader', async () => {
      const loader = jest.fn(async () => ({ rows: [1, 2] }));
      const read = await Promise.all(Array.from({ length: 10_000 }, () => queries.getOrSet('q', { roomId: 'r' }, loader)));
      expect(loader).toHaveBeenCalledTimes(1);
      expect(new Set(read).size).toBe(10_000);
      expect(read.every(({ rows }) => rows.length === 2)).toBe(true);
      expect(await queries.get('q', { roomId: 'r' })).toEqual({ rows: [1, 2] });
      expect(await queries.getOrSet('q', { roomId: 'r' }, loader)).toEqual({ rows: [1, 2] });
      expect(loader).toHaveBeenCalledTimes(1);
    });

    test('cases 15 and 16: who comes after an invalidation loads anew, and the old value is not kept', async () => {
      const [first, second] = [deferred(), deferred()];
      const begun = deferred();
      const early = queries.getOrSet('q', { roomId: 'r' }, () => {
        begun.resolve();
        return first.promise;
      });
      await begun.promise;
      expect(await queries.invalidateRoom('r')).toBe(0);
      const late = queries.getOrSet('q', { roomId: 'r' }, () => second.promise);
      second.resolve('new');
      expect(await late).toBe('new');
      first.resolve('old');
      expect(await early).toBe('old');
      expect(await queries.get('q', { roomId: 'r' })).toBe('new');
    });

    test('case 17: a loader that fails rejects all who wait, keeps nothing and is tried again', async () => {
      const loader = jest.fn(async () => {
        throw new Error('no database');
      });
      const outcomes = await Promise.allSettled([1, 2, 3].map(() => queries.getOrSet('q', {}, loader)));
      expect(outcomes.map(({ reason }) => reason?.message)).toEqual(Array(3).fill('no database'));
      expect(loader).toHaveBeenCalledTimes(1);
      expect(await queries.getOrSet('q', {}, () => 1)).toBe(1);
    });
  });

  test.each([
    ['E_INVALID_KEY', (cache) => cache.get('')],
    ['E_INVALID_KEY', (cache) => cache.get(7)],
    ['E_INVALID_KEY', (cache) => cache.get('q', { roomId: {} })],
    ['E_INVALID_KEY', (cache) => cache.set('q', { roomId: ['a', true] }, 1)],
    ['E_INVALID_KEY', (cache) => cache.set('x'.repeat(65537), {}, 1)],
    ['E_INVALID_KEY', (cache) => cache.invalidateRoom('')],
    ['E_INVALID_KEY', (cache) => cache.invalidateRoom(null)],
    ['E_INVALID_KEY', (cache) => cache.invalidateQuery()],
    ['E_INVALID_PATTERN', (cache) => cache.invalidate('')],
    ['E_INVALID_VALUE', (cache) => cache.get('q', null)],
    ['E_INVALID_VALUE', (cache) => cache.get('q', 'params')],
    ['E_INVALID_VALUE', (cache) => cache.get('q', { a: 1n })],
    ['E_INVALID_VALUE', (cache) => cache.get('q', { a: () => 1 })],
    ['E_INVALID_VALUE', (cache) => cache.get('q', { a: 'x'.repeat(65537) })],
    ['E_INVALID_VALUE', (cache) => cache.get('q', Object.assign((() => { const a = {}; a.a = a; return a; })()))],
    ['E_INVALID_VALUE', (cache) => cache.get('q', { get roomId() { throw new Error('no'); } })],
    ['E_INVALID_VALUE', (cache) => cache.get('q', { roomId: Array.from({ length: 33 }, (_, i) => i) })],
    ['E_INVALID_VALUE', (cache) => cache.set('q', {}, undefined)],
    ['E_INVALID_VALUE', (cache) => cache.set('q', {}, 1n)],
    ['E_INVALID_VALUE', (cache) => cache.set('q', { roomId: 'r' }, 'x'.repeat(64 * 1024 * 1024))],
    ['E_INVALID_TTL', (cache) => cache.set('q', {}, 1, 0)],
    ['E_INVALID_TTL', (cache) => cache.getOrSet('q', {}, () => 1, 'soon')],
    ['E_INVALID_CALLBACK', (cache) => cache.getOrSet('q', {}, 'loader')],
  ])('%s: %s', async (code, call) => {
    await queries.set('q', { roomId: 'r' }, 'stays');
    await expect(call(queries)).rejects.toMatchObject({ code });
    expect(await queries.get('q', { roomId: 'r' })).toBe('stays');
  });

  test('calls of one tick are carried out in their order', async () => {
    const r = { roomId: 'r' };
    const calls = [queries.set('q', r, 1), queries.get('q', r), queries.set('q', r, 2), queries.get('q', r)];
    expect(await Promise.all(calls)).toEqual([true, 1, true, 2]);
    expect(await Promise.all([queries.invalidateRoom('r'), queries.get('q', r), queries.set('q', r, 3), queries.get('q', r)])).toEqual([1, null, true, 3]);
  });

  test('what was set, or was about to be, goes when it is invalidated', async () => {
    const sets = Array.from({ length: 100 }, (_, i) => queries.set('q', { roomId: 'r', i }, i));
    expect(await queries.invalidateRoom('r')).toBe(100);
    expect(await Promise.all(sets)).toEqual(Array(100).fill(true));
    const left = await Promise.all(sets.map((_, i) => queries.get('q', { roomId: 'r', i })));
    expect(left.filter((value) => value !== null)).toEqual([]);
  });

  test('a large result, in and out', async () => {
    const large = 'é'.repeat(400_000);
    expect(await queries.set('q', { roomId: 'r' }, large)).toBe(true);
    expect(await queries.get('q', { roomId: 'r' })).toBe(large);
    expect(await queries.invalidateRoom('r')).toBe(1);
  });
});

describe('queries of two processes', () => {
  const place = usePlace(onRedis);

  test('an invalidation by another one moves the fence', async () => {
    const one = (await place.open({ keyPrefix: 'two:' })).queryCache;
    const other = (await place.open({ keyPrefix: 'two:' })).queryCache;
    expect(await one.get('q', { roomId: 'r' })).toBeNull();
    expect(await other.set('q', { roomId: 'r' }, 'theirs')).toBe(true);
    expect(await other.invalidateRoom('r')).toBe(1);
    expect(await one.set('q', { roomId: 'r' }, 'old')).toBe(false);
    expect(await other.get('q', { roomId: 'r' })).toBeNull();
  });

  test.each(['get and set', 'getOrSet'])('case 29: Redis is emptied between a miss and its set (%s)', async (how) => {
    const { queryCache } = await place.open();
    if (how === 'getOrSet') {
      const loader = () => place.redis.command('FLUSHALL').then(() => 'old');
      expect(await queryCache.getOrSet('q', { roomId: 'r' }, loader)).toBe('old');
    } else {
      await queryCache.get('q', { roomId: 'r' });
      await place.redis.command('FLUSHALL');
      expect(await queryCache.set('q', { roomId: 'r' }, 'old')).toBe(false);
    }
    expect(await queryCache.get('q', { roomId: 'r' })).toBeNull();
  });

  test('nothing stays on Redis beyond its time, and what is evicted is a miss', async () => {
    await place.redis.command('FLUSHALL');
    const { queryCache } = await place.open({ keyPrefix: 'p:' });
    await queryCache.set('q', { roomId: 'r' }, 1, 100);
    const keys = (await place.redis.command('KEYS', 'p:*')).sort();
    expect(keys).toEqual(['p:query-name:q', 'p:query-room:r', expect.stringMatching(/^p:query:[0-9a-f]{40}$/)]);
    // What they belong to lasts a little longer than the results.
    for (const key of keys) expect(await place.redis.command('TTL', key)).toBeLessThanOrEqual(110);
    expect(await place.redis.command('TTL', keys[2])).toBeLessThanOrEqual(100);
    await queryCache.set('q', { roomId: 'r' }, 2, 100);
    await place.redis.command('DEL', keys[2]);
    expect(await queryCache.get('q', { roomId: 'r' })).toBeNull();
    await queryCache.set('q', { roomId: 'r' }, 2, 100);
    await place.redis.command('DEL', 'p:query-room:r');
    expect(await queryCache.get('q', { roomId: 'r' })).toBeNull();
  });
});

test('calls of a backplane that was closed reject', async () => {
  const { queryCache, close } = createBackplane({ url: NOBODY, logger: silent });
  await queryCache.get('q');
  await close();
  for (const call of [queryCache.get('q'), queryCache.set('q', {}, 1), queryCache.invalidateRoom('r'), queryCache.getOrSet('q', {}, () => 1)]) {
    await expect(call).rejects.toMatchObject({ code: 'E_CLOSED' });
  }
});
