'use strict';

const { uniquePrefix, until } = require('./support');
const { onRedis } = require('./support/places');

let place;

beforeAll(async () => {
  place = await onRedis();
});

afterAll(() => place.end());

describe('what is on the wire', () => {
  let prefix;
  let cache;

  beforeEach(async () => {
    prefix = uniquePrefix();
    cache = await place.open({ keyPrefix: prefix });
  });

  afterEach(() => place.clear());

  const wire = (key) => `${prefix}cache:${key}`;
  const keysThere = async () => (await place.redis.command('KEYS', `${prefix}*`)).sort();

  test.each([
    ['an object', { a: [1, 'é', null], b: new Date(0), c: undefined }],
    ['null', null],
    ['a text', '"😀\ud800\n'],
    ['a number', 1e21],
  ])('%s is stored as exactly its JSON, with a TTL, and nothing else is', async (key, value) => {
    await cache.cacheSet(key, value, 100);
    expect(await place.redis.command('GET', wire(key))).toBe(JSON.stringify(value));
    expect(await place.redis.command('TTL', wire(key))).toBeGreaterThan(0);
    expect(await keysThere()).toEqual([wire(key)]);
    await cache.cacheDelete(key);
    expect(await keysThere()).toEqual([]);
  });

  test('a loaded value is stored as JSON that other clients can parse', async () => {
    await cache.cacheGetOrSet('plain', () => ({ a: 1 }));
    expect(await place.redis.command('GET', wire('plain'))).toBe('{"a":1}');
    await cache.cacheGetOrSet('stale', () => ({ a: 1 }), { staleSeconds: 60 });
    expect(JSON.parse(await place.redis.command('GET', wire('stale')))).toEqual({ a: 1 });
    expect(await keysThere()).toEqual([wire('plain'), wire('stale')]);
  });

  test('a key that is being loaded reads as null to other clients', async () => {
    let seen;
    await cache.cacheGetOrSet('loading', async () => {
      seen = await place.redis.command('GET', wire('loading'));
      return 1;
    });
    expect(JSON.parse(seen)).toBeNull();
  });

  test.each(['{"a":1}', ' { "a" : 1 } ', '{"a":1}\n', '\t{"a":1.0}\r\n', '{"a":1,"a":1}', `${' '.repeat(300)}{"a":1}${' '.repeat(300)}`])(
    'what another client wrote is read: %j',
    async (text) => {
      await place.redis.command('SET', wire('k'), text);
      expect(await cache.cacheGet('k')).toEqual({ a: 1 });
      expect(await cache.cacheGetOrSet('k', () => 'loaded')).toEqual({ a: 1 });
    }
  );

  test('keys are their UTF-8, after prefix and space', async () => {
    for (const key of ['é', '漢😀', 'a b', 'a\0b', '*', 'cache:x', '{tag}']) {
      await cache.cacheSet(key, key);
      expect(await place.redis.command('GET', Buffer.from(wire(key)))).toBe(JSON.stringify(key));
    }
  });

  test('without a prefix there is none', async () => {
    const plain = await place.open({ keyPrefix: undefined });
    const key = uniquePrefix();
    await plain.cacheSet(key, 1);
    expect(await place.redis.command('GET', `cache:${key}`)).toBe('1');
  });

  test('prefixes keep apart what is put together from the same text', async () => {
    const texts = [['a', 'b:c'], ['a:', 'b:c'], ['a:b', ':c'], ['', 'ab:c']];
    for (const [own, key] of texts) {
      const one = await place.open({ keyPrefix: prefix + own });
      expect(await one.cacheGet(key)).toBeNull();
      await one.cacheSet(key, own);
    }
    expect((await keysThere()).length).toBe(texts.length);
  });

  test.each([
    ['a list', ['RPUSH', 'v']],
    ['a hash', ['HSET', 'f', 'v']],
    ['a set', ['SADD', 'v']],
    ['a sorted set', ['ZADD', '1', 'v']],
    ['a stream', ['XADD', '*', 'f', 'v']],
  ])('%s under the key is a miss, and can be replaced and deleted', async (_type, [command, ...args]) => {
    const put = () => place.redis.command(command, wire('k'), ...args);
    await put();
    const answers = await Promise.all([cache.cacheSet('good', 1), cache.cacheGet('k'), cache.cacheGet('good')]);
    expect(answers).toEqual([true, null, 1]);
    expect(await cache.cacheSet('k', 'set')).toBe(true);
    expect(await cache.cacheGet('k')).toBe('set');
    await cache.cacheDelete('k');
    await put();
    expect(await cache.cacheGetOrSet('k', () => 'loaded')).toBe('loaded');
    expect(await cache.cacheGet('k')).toBe('loaded');
    await cache.cacheDelete('k');
    await put();
    expect(await cache.cacheDelete('k')).toBe(true);
    expect(await keysThere()).toEqual([wire('good')]);
    await put();
    expect(await cache.cacheDeletePattern('k')).toBe(1);
    expect(cache.isRedisAvailable()).toBe(true);
  });

  test('what somebody else flushes or expires is a miss', async () => {
    await Promise.all([cache.cacheSet('expired', 1), cache.cacheSet('renamed', 1)]);
    await place.redis.command('PEXPIRE', wire('expired'), 1);
    await place.redis.command('RENAME', wire('renamed'), wire('new name'));
    await until(async () => (await cache.cacheGet('expired')) === null, { what: 'expired' });
    expect(await cache.cacheGet('renamed')).toBeNull();
    expect(await cache.cacheGet('new name')).toBe(1);
  });
});

describe('a server that loses keys', () => {
  test('FLUSHALL by somebody else leaves nothing to read', async () => {
    const own = await onRedis();
    try {
      const cache = await own.open();
      await cache.cacheSet('k', 1);
      await cache.cacheGetOrSet('loaded', () => 1, { staleSeconds: 100 });
      await own.redis.command('FLUSHALL');
      expect(await Promise.all(['k', 'loaded'].map((key) => cache.cacheGet(key)))).toEqual([null, null]);
      expect(await cache.cacheGetOrSet('loaded', () => 2)).toBe(2);
    } finally {
      await own.end();
    }
  });

  test('eviction is a miss, never an error', async () => {
    const own = await onRedis({ args: ['--maxmemory', '4mb', '--maxmemory-policy', 'allkeys-lru'] });
    try {
      const cache = await own.open();
      const value = (i) => ({ i, filler: 'x'.repeat(1000) });
      const numbers = Array.from({ length: 10_000 }, (_, i) => i);
      expect(new Set(await Promise.all(numbers.map((i) => cache.cacheSet(`k${i}`, value(i)))))).toEqual(new Set([true]));
      const read = await Promise.all(numbers.map((i) => cache.cacheGet(`k${i}`)));
      const kept = numbers.filter((i) => read[i] !== null);
      expect(kept.length).toBeGreaterThan(0);
      expect(kept.length).toBeLessThan(numbers.length);
      for (const i of kept) expect(read[i]).toEqual(value(i));
      const loaded = await Promise.all(numbers.slice(0, 1000).map((i) => cache.cacheGetOrSet(`k${i}`, () => value(i))));
      expect(loaded).toEqual(numbers.slice(0, 1000).map(value));
      expect(cache.isRedisAvailable()).toBe(true);
    } finally {
      await own.end();
    }
  });
});
