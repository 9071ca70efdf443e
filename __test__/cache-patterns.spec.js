'use strict';

const { dice } = require('./support/random');
const { PLACES } = require('./support/places');

const KEYS = [
  'a', 'b', 'c', 'A', 'aa', 'ab', 'abc', 'abcabc', 'a*', 'a*b', 'a?', 'a[b]', 'a]', '[', ']', '\\', '\\*', '*', '?', '**', '^', '-',
  'a-c', 'user:1', 'user:2', 'user:10', 'user:1:x', 'user:', ':user', 'room:1', ' ', 'a b', '\0', 'a\0b', 'é', 'éé', 'ê', '漢', '😀',
  '{a}', 'a{b}c', '0', '5', '9', '10', 'x\ny', 'cache:a', '__proto__',
];

/** Pattern, and what it has to match among KEYS, as `stringmatchlen` of Redis has it. */
const MATCHES = [
  ['*', KEYS],
  ['**', KEYS],
  ['***?', KEYS],
  ['a', ['a']],
  ['?', ['a', 'b', 'c', 'A', '[', ']', '\\', '*', '?', '^', '-', ' ', '\0', '0', '5', '9']],
  ['??', ['aa', 'ab', 'a*', 'a?', 'a]', '\\*', '**', 'é', 'ê', '10']],
  ['a*', ['a', 'aa', 'ab', 'abc', 'abcabc', 'a*', 'a*b', 'a?', 'a[b]', 'a]', 'a-c', 'a b', 'a\0b', 'a{b}c']],
  ['*a', ['a', 'aa', 'cache:a']],
  ['*b*', ['b', 'ab', 'abc', 'abcabc', 'a*b', 'a[b]', 'a b', 'a\0b', 'a{b}c']],
  ['a?c', ['abc', 'a-c']],
  ['a*c*c', ['abcabc']],
  ['abc*abc', ['abcabc']],
  ['user:*', ['user:1', 'user:2', 'user:10', 'user:1:x', 'user:']],
  ['user:?', ['user:1', 'user:2']],
  ['user:[12]', ['user:1', 'user:2']],
  ['user:[^1]', ['user:2']],
  ['user:[0-9]*', ['user:1', 'user:2', 'user:10', 'user:1:x']],
  ['[abc]', ['a', 'b', 'c']],
  ['[a-c]', ['a', 'b', 'c']],
  ['[c-a]', ['a', 'b', 'c']],
  ['[a-]', ['a', ']', '^']],
  ['[^a-c]', ['A', '[', ']', '\\', '*', '?', '^', '-', ' ', '\0', '0', '5', '9']],
  ['[!a]', ['a']],
  ['[]', []],
  ['[]a]', []],
  ['[^]', ['a', 'b', 'c', 'A', '[', ']', '\\', '*', '?', '^', '-', ' ', '\0', '0', '5', '9']],
  ['[abc', ['a', 'b', 'c']],
  ['[^abc', ['A', '[', ']', '\\', '*', '?', '^', '-', ' ', '\0', '0', '5', '9']],
  ['[', []],
  ['a[', []],
  ['[\\]]', [']']],
  ['[\\]-a]', ['a', ']', '-']],
  ['[\\', ['\\']],
  ['\\*', ['*']],
  ['\\?', ['?']],
  ['\\[', ['[']],
  ['\\\\', ['\\']],
  ['\\', ['\\']],
  ['\\\\\\*', ['\\*']],
  ['a\\*', ['a*']],
  ['a\\*b', ['a*b']],
  ['a\\[b\\]', ['a[b]']],
  ['a\\[b]', ['a[b]']],
  ['a[*]', ['a*']],
  ['\\a', ['a']],
  ['{a}', ['{a}']],
  ['a{b,c}', []],
  ['(a|b)', []],
  ['.*', []],
  ['A', ['A']],
  [' ', [' ']],
  ['\0', ['\0']],
  ['a\0*', ['a\0b']],
  ['x\n?', ['x\ny']],
  ['é', ['é']],
  ['é*', ['é', 'éé']],
  ['[éê]?', ['é', 'ê']],
  ['???', ['abc', 'a*b', 'a-c', 'a b', 'a\0b', '漢', '{a}', 'x\ny']],
  ['????', ['a[b]', 'éé', '😀']],
  ['😀', ['😀']],
  ['cache:*', ['cache:a']],
  ['cache:cache:*', []],
  ['__proto__', ['__proto__']],
  ['nothing*', []],
];

describe.each(PLACES)('patterns on %s', (_where, start) => {
  let place;
  let cache;

  beforeAll(async () => {
    place = await start();
    cache = await place.open();
  });

  afterAll(() => place.end());

  test.each(MATCHES)('%j', async (pattern, matched) => {
    await Promise.all(KEYS.map((key) => cache.cacheSet(key, key)));
    const removed = await cache.cacheDeletePattern(pattern);
    const left = await Promise.all(KEYS.map((key) => cache.cacheGet(key)));
    expect(KEYS.filter((_, i) => left[i] === null)).toEqual(KEYS.filter((key) => matched.includes(key)));
    expect(removed).toBe(matched.length);
  });

  test('nothing under another prefix is touched, whatever the prefixes hold', async () => {
    const prefixes = ['p*', 'p?', 'pp', 'p[p]', 'p\\*', 'p', 'cache:p', '*', '[^x]', 'P', 'pé', 'p]'];
    const caches = [];
    for (const keyPrefix of prefixes) caches.push(await place.open({ keyPrefix }));
    await Promise.all(caches.flatMap((one) => ['a', 'b'].map((key) => one.cacheSet(key, key))));
    for (const [i, one] of caches.entries()) {
      expect(await one.cacheDeletePattern('*')).toBe(2);
      const left = await Promise.all(caches.map((other) => other.cacheGet('a')));
      expect(left).toEqual(prefixes.map((_, j) => (j <= i ? null : 'a')));
    }
  });

  test.each([
    ['many stars', '*a'.repeat(5000)],
    ['a long pattern', `${'?'.repeat(60_000)}*`],
    ['a long class', `[${'xyz'.repeat(20_000)}]`],
  ])('%s do no harm', async (_what, pattern) => {
    await cache.cacheSet('a'.repeat(4000), 1);
    expect(await cache.cacheDeletePattern(pattern)).toBe(0);
    expect(await cache.cacheGet('a'.repeat(4000))).toBe(1);
  });

  test('many matches are all removed and counted', async () => {
    const names = Array.from({ length: 5000 }, (_, i) => `many:${i}`);
    await Promise.all([...names, 'few:1'].map((name) => cache.cacheSet(name, 1)));
    expect(await cache.cacheDeletePattern('many:*')).toBe(names.length);
    expect(await cache.cacheDeletePattern('many:*')).toBe(0);
    expect(await cache.cacheGet('few:1')).toBe(1);
  });
});

test('any pattern removes the same on Redis and from memory', async () => {
  const roll = dice(3);
  const word = (longest, letters) => Array.from({ length: 1 + roll.below(longest) }, () => roll.pick(letters)).join('');
  const keys = [...new Set(Array.from({ length: 80 }, () => word(4, [...'abc^-]\\'])))];
  const patterns = Array.from({ length: 400 }, () => word(7, [...'**??[[[]]]^--\\\\abc']));
  const places = [];
  for (const [, start] of PLACES) places.push(await start());
  try {
    const removed = await Promise.all(places.map((place) => removals(place, keys, patterns)));
    expect(removed[1]).toEqual(removed[0]);
  } finally {
    for (const place of places) await place.end();
  }
});

/** What each pattern removed of all keys, the next with all of them there again. */
async function removals(place, keys, patterns) {
  const cache = await place.open();
  const removed = [];
  for (const pattern of patterns) {
    await Promise.all(keys.map((key) => cache.cacheSet(key, 1)));
    const count = await cache.cacheDeletePattern(pattern);
    const left = await Promise.all(keys.map((key) => cache.cacheGet(key)));
    removed.push({ pattern, count, keys: keys.filter((_, i) => left[i] === null) });
  }
  return removed;
}
