'use strict';

const { dice } = require('./support/random');
const { PLACES, usePlace } = require('./support/places');

const MAX_KEY_BYTES = 64 * 1024;

const SPECIAL = [
  '__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'then', 'null', 'undefined', '0', '-1',
  ' ', '  ', '\0', '\0\0', 'a\0b', '\n', '\r\n', '\t', '\u0001', '\u007f', '\ufeff', '\u200d', '\ufffd', '\uffff',
  '*', '**', '?', '[', ']', '[a-z]', '[^a]', '\\', '\\*', '{a}', '{}', 'a:b', 'a:b:c', ':', '::', '"', "'", '`', '%', '%00',
  '$', '$1', '${x}', 'cache:', 'cache:x', '../x', '*3\r\n$3\r\nSET\r\n', 'é', 'e\u0301', 'Å', 'A\u030a', '\u212b', 'ﬁ', 'fi',
  '漢', '漢字', '😀', '😀😀', '👨‍👩‍👧', '\u{10ffff}', '\u{1f1e9}\u{1f1ea}', 'ß', 'SS', 'ss', 'İ', 'i', 'I', 'ı',
];

describe.each(PLACES)('keys on %s', (_where, start) => {
  const place = usePlace(start);
  let cache;

  beforeEach(async () => {
    cache = await place.open();
  });

  const all = (keys, call) => Promise.all(keys.map(call));

  test('every special key is a key of its own', async () => {
    await all(SPECIAL, (key, i) => cache.cacheSet(key, i));
    expect(await all(SPECIAL, (key) => cache.cacheGet(key))).toEqual(SPECIAL.map((_, i) => i));
  });

  test('deleting a key deletes that one, whatever it would mean as a pattern', async () => {
    for (const [i, doomed] of SPECIAL.entries()) {
      await all(SPECIAL, (key) => cache.cacheSet(key, key));
      await cache.cacheDelete(doomed);
      const expected = SPECIAL.map((key, j) => (j === i ? null : key));
      expect(await all(SPECIAL, (key) => cache.cacheGet(key))).toEqual(expected);
    }
  });

  test('composed and decomposed forms differ', async () => {
    const forms = ['é', 'é'.normalize('NFD'), 'Å'.normalize('NFC'), '\u212b', 'Å'.normalize('NFD')];
    await all(forms, (key, i) => cache.cacheSet(key, i));
    expect(await all(forms, (key) => cache.cacheGet(key))).toEqual([0, 1, 2, 3, 4]);
  });

  test.each(['\ud800', '\udc00', 'a\ud83d', '\udc00\ud800', '\ud83d😀', `${'a'.repeat(100)}\udfff${'b'.repeat(100)}`])(
    'half a pair collides with nothing: %j is refused',
    async (key) => {
      const replaced = Buffer.from(key).toString();
      await cache.cacheSet(replaced, 'of the replacement character');
      for (const call of [cache.cacheGet(key), cache.cacheSet(key, 1), cache.cacheDelete(key), cache.cacheGetOrSet(key, () => 1)]) {
        await expect(call).rejects.toMatchObject({ code: 'E_INVALID_KEY' });
      }
      expect(await cache.cacheGet(replaced)).toBe('of the replacement character');
    }
  );

  test('a key of 1 MB is refused, one of 64 KiB is not', async () => {
    for (const key of ['k'.repeat(1 << 20), 'é'.repeat(1 << 19), '😀'.repeat(1 << 18)]) {
      await expect(cache.cacheSet(key, 1)).rejects.toMatchObject({ code: 'E_INVALID_KEY' });
    }
    const longest = ['k', 'é', '😀'].map((c) => c.repeat(MAX_KEY_BYTES / Buffer.byteLength(c)));
    longest.push(`k${'漢'.repeat((MAX_KEY_BYTES - 1) / 3)}`);
    await all(longest, (key, i) => cache.cacheSet(key, i));
    expect(await all(longest, (key) => cache.cacheGet(key))).toEqual([0, 1, 2, 3]);
  });

  test('keys and values of every width share a tick', async () => {
    const words = ['ascii', 'é', 'ß1', '漢字', '😀', 'a😀b', '\u{10ffff}', 'e\u0301', '\0', '~'];
    const roll = dice(1);
    const text = () => Array.from({ length: 1 + roll.below(40) }, () => roll.pick(words)).join('');
    const entries = Array.from({ length: 2000 }, (_, i) => [`${text()}#${i}`, { i, text: text() }]);
    const sets = all(entries, ([key, value]) => cache.cacheSet(key, value));
    const gets = all(roll.shuffle(entries), async ([key, value]) => [await cache.cacheGet(key), value]);
    expect(new Set(await sets)).toEqual(new Set([true]));
    for (const [read, value] of await gets) expect(read).toEqual(value);
  });

  test.each(['ascii next to one emoji', 'one emoji next to ascii'])('%s', async (order) => {
    const keys = ['plain', '😀', 'plain too', 'x'.repeat(1000)];
    if (order.startsWith('one')) keys.reverse();
    const values = ['é', 'ascii', '😀\ud800', { 漢: '字' }];
    await all(keys, (key, i) => cache.cacheSet(key, values[i]));
    expect(await all(keys, (key) => cache.cacheGet(key))).toEqual(values);
    expect(await all(keys, (key) => cache.cacheDelete(key))).toEqual([true, true, true, true]);
    expect(await all(keys, (key) => cache.cacheGet(key))).toEqual([null, null, null, null]);
  });

  test('more text than one hand-over takes keeps its boundaries', async () => {
    const roll = dice(2);
    const letters = ['k', 'é', '漢', '😀'];
    const keys = Array.from({ length: 60 }, (_, i) => {
      const letter = roll.pick(letters);
      const longest = Math.floor((MAX_KEY_BYTES - 8) / Buffer.byteLength(letter));
      return `${i}:${letter.repeat(roll.pick([1, 1000, longest >> 1, longest]))}`;
    });
    const sets = all(keys, (key, i) => cache.cacheSet(key, `${i}é`.repeat(i * 500)));
    const gets = all(keys, (key) => cache.cacheGet(key));
    await sets;
    expect((await gets).map((value) => value.length)).toEqual(keys.map((_, i) => `${i}é`.length * i * 500));
    expect(await all(keys, (key) => cache.cacheGet(key))).toEqual(await gets);
  });
});
