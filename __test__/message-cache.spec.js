'use strict';

const { until } = require('./support');
const { useStage, away, back, isReady } = require('./support/stage');
const { PLACES, onRedis, usePlace } = require('./support/places');
const { messageCache: { generateHash } } = require('..');

describe('generateHash', () => {
  test('case and outer white space of the text do not matter, nor how a number is written', () => {
    expect(generateHash(' Hello World\n', 'a', 'b')).toBe(generateHash('hello world', 'a', 'b'));
    expect(generateHash('x', 7, 8n)).toBe(generateHash('x', '7', '8'));
    expect(generateHash('x', 'a')).toBe(generateHash('x', 'a', null));
    expect(generateHash('x', 'a', 'b')).toMatch(/^[0-9a-f]{64}$/);
  });

  test('everything else does', () => {
    const different = [['x', 'a', 'b'], ['x', 'b', 'a'], ['x', 'A', 'b'], ['x a', '', 'b'], ['x', 'ab', ''], ['x', 'null', 'b'], ['x', null, 'b'], ['x  y', 'a', 'b'], ['x y', 'a', 'b'], ['', 'x', 'ab'], ['é', 'a', 'b'], ['e\u0301', 'a', 'b'], ['\ud800', 'a', 'b'], ['\ud801', 'a', 'b'], ['\ufffd', 'a', 'b']];
    expect(new Set(different.map((fields) => generateHash(...fields))).size).toBe(different.length);
  });

  test('no boundary of fields can be forged', () => {
    const parts = ['', '"', ',', '","', '\\', '\\"', ':', '|', '\0', '[', ']', 'null', 'a'];
    const texts = parts.flatMap((one) => parts.map((other) => one + other));
    const fields = [...new Set(texts)].slice(0, 100);
    const hashes = new Set();
    let tuples = 0;
    for (const text of fields) {
      for (const sender of fields) {
        for (const receiver of fields) {
          hashes.add(generateHash(text, sender, receiver));
          tuples += 1;
        }
      }
    }
    expect([tuples, hashes.size]).toEqual([1_000_000, 1_000_000]);
  }, 60_000);

  test.each([
    ['E_INVALID_VALUE', [undefined, 'a', 'b']],
    ['E_INVALID_VALUE', [7, 'a', 'b']],
    ['E_INVALID_KEY', ['x', {}, 'b']],
    ['E_INVALID_KEY', ['x', 'a', true]],
  ])('%s: %j', (code, fields) => {
    expect(() => generateHash(...fields)).toThrow(expect.objectContaining({ code }));
  });
});

/** The result is read from memory. */
async function isAtHand(messages, hash) {
  await until(async () => {
    const { memoryHits: before } = await messages.getStats();
    await messages.get(hash);
    return (await messages.getStats()).memoryHits === before + 1;
  }, { what: `${hash} is in memory` });
}

describe.each(PLACES)('messages on %s', (where, start) => {
  const place = usePlace(start);
  const options = { messageCache: { ttlSeconds: 60, maxEntries: 10 } };

  test('a result is there, a copy each time, until it is cleared', async () => {
    const { messageCache: messages } = await place.open(options);
    expect(await messages.get('h')).toBeNull();
    expect(await messages.set('h', { tone: 'kind' })).toBeUndefined();
    await isAtHand(messages, 'h');
    (await messages.get('h')).tone = 'changed';
    expect(await messages.get('h')).toEqual({ tone: 'kind' });
    expect(await messages.clear()).toBeUndefined();
    expect(await messages.get('h')).toBeNull();
    expect((await messages.getStats()).memorySize).toBe(0);
  });

  test.each([null, false, 0, '', [], { __proto__: null, constructor: 1 }])('%j is a value', async (value) => {
    const { messageCache: messages } = await place.open(options);
    await messages.set('h', value);
    expect(await messages.get('h')).toEqual(value);
    await isAtHand(messages, 'h');
    expect(await messages.get('h')).toEqual(value);
  });

  test('calls of one tick are carried out in their order', async () => {
    const { messageCache: messages } = await place.open(options);
    await messages.set('h', 1);
    await isAtHand(messages, 'h');
    expect(await Promise.all([messages.get('h'), messages.set('h', 2), messages.get('h')])).toEqual([1, undefined, 2]);
    expect(await Promise.all([messages.clear(), messages.get('h'), messages.set('h', 3), messages.get('h')])).toEqual([undefined, null, undefined, 3]);
    await Promise.all([messages.set('h', 4), messages.clear()]);
    expect(await messages.get('h')).toBeNull();
  });

  test('its time ends in memory, too', async () => {
    const { messageCache: messages } = await place.open({ messageCache: { ttlSeconds: 1.5 } });
    await messages.set('h', 1);
    await isAtHand(messages, 'h');
    await until(async () => (await messages.get('h')) === null);
    messages.clearExpired();
    expect((await messages.getStats()).memorySize).toBe(0);
  });

  test('what is told of it', async () => {
    const { messageCache: messages } = await place.open(options);
    const before = { memorySize: 0, maxSize: 10, maxAgeMs: 60_000, redisAvailable: where === 'redis', hits: 0, memoryHits: 0, misses: 0 };
    expect(await messages.getStats()).toEqual(before);
    await messages.get('none');
    await messages.set('h', 1);
    await isAtHand(messages, 'h');
    const { hits, memoryHits, misses, memorySize } = await messages.getStats();
    expect({ misses, memorySize, isCounted: hits >= memoryHits && memoryHits > 0 }).toEqual({ misses: 1, memorySize: 1, isCounted: true });
    for (let i = 0; i < 100; i++) await messages.set(`h${i}`, i);
    expect((await messages.getStats()).memorySize).toBeLessThanOrEqual(10);
  });

  test('the memory is bounded in bytes, also while many write large results', async () => {
    const maxBytes = 8 * 1024 * 1024;
    const { messageCache: messages } = await place.open({ messageCache: { maxBytes } });
    const large = 'x'.repeat(1024 * 1024 - 1024);
    await messages.set('h', 1);
    await isAtHand(messages, 'h');
    let most = 0;
    await Promise.all(Array.from({ length: 64 }, async (_, i) => {
      await messages.set(`h${i}`, large);
      most = Math.max(most, (await messages.getStats()).memorySize);
    }));
    expect(most).toBeGreaterThan(0);
    expect(most * large.length).toBeLessThanOrEqual(maxBytes * 1.1);
  });

  test.each([
    ['E_INVALID_KEY', (messages) => messages.get('')],
    ['E_INVALID_KEY', (messages) => messages.set(7, 1)],
    ['E_INVALID_VALUE', (messages) => messages.set('h', undefined)],
    ['E_INVALID_VALUE', (messages) => messages.set('h', () => 1)],
  ])('%s: %s', async (code, call) => {
    const { messageCache: messages } = await place.open(options);
    await messages.set('h', 'stays');
    await expect(call(messages)).rejects.toMatchObject({ code });
    expect(await messages.get('h')).toBe('stays');
  });
});

test.each([{ ttlSeconds: 0 }, { ttlSeconds: 'a minute' }, { maxEntries: 0 }, { maxBytes: 1.5 }, 7])('messageCache cannot be %j', async (messageCache) => {
  const place = await onRedis();
  const backplane = place.openCold({ messageCache });
  await expect(backplane.messageCache.get('h')).rejects.toMatchObject({ code: expect.stringMatching(/^E_INVALID_(OPTION|TTL)$/) });
  await place.end();
});

describe('messages of two instances', () => {
  const stage = useStage();

  async function two() {
    const all = await stage.ready();
    const other = stage.backplane({ url: all.redis.url });
    await isReady(other);
    const [messages, others] = [all.backplane.messageCache, other.messageCache];
    await messages.set('h', 'old');
    await isAtHand(messages, 'h');
    await others.get('h');
    await isAtHand(others, 'h');
    return { ...all, messages, others };
  }

  const within100ms = { timeoutMs: 5000 };

  it('an overwrite and a clear of one are seen in the memory of the other', async () => {
    const { messages, others } = await two();
    await others.set('h', 'new');
    await until(async () => (await messages.get('h')) === 'new', within100ms);
    await isAtHand(messages, 'h');
    await others.clear();
    await until(async () => (await messages.get('h')) === null, within100ms);
    expect(await others.get('h')).toBeNull();
  });

  it('a connection that was cut: what was changed meanwhile is never read', async () => {
    const all = await two();
    await away(all);
    await all.others.set('h', 'new');
    expect(await all.messages.get('h')).toBeNull();
    await back(all);
    expect(await all.messages.get('h')).toBe('new');
  });

  it('away: results are kept here; back: the others forget what they knew', async () => {
    const all = await two();
    await away(all);
    await all.messages.set('h', 'here');
    expect(await all.messages.get('h')).toBe('here');
    expect((await all.messages.getStats()).memorySize).toBe(1);
    await back(all);
    expect(await all.messages.get('h')).toBeNull();
    await until(async () => (await all.others.get('h')) === null, within100ms);
  });

  it('away: a clear here is one for all, later', async () => {
    const all = await two();
    await away(all);
    await all.messages.clear();
    await back(all);
    expect(await all.messages.get('h')).toBeNull();
    await until(async () => (await all.others.get('h')) === null, within100ms);
  });

  it('case 18: FLUSHALL by somebody else empties every memory', async () => {
    const { redis, messages, others } = await two();
    await redis.command('FLUSHALL');
    await until(async () => (await messages.get('h')) === null);
    await until(async () => (await others.get('h')) === null);
    expect(await messages.get('h')).toBeNull();
  });
});
