'use strict';

const { outcomeOf } = require('./support/deferred');
const { PLACES } = require('./support/places');
const { dice } = require('./support/random');

const COUNT = 1000;
const MEGABYTE = 1 << 20;

const PIECES = [
  '', 'a', 'key', ' ', '\0', '\n', '\r\n', '\t', '\u0007', '\u001b[31m', '\u007f', '\u0085', '\u2028', '\ufeff', '\ufffd', '\uffff',
  '*', '?', '[', ']', '[a-z]', '[^', '\\', '\\\\', '{', '}', '{tag}', ':', '::', '"', "'", '`', '${x}', '%s', '%00', ';', '--', '../',
  '__proto__', 'constructor', 'prototype', 'toString', '__defineGetter__', 'hasOwnProperty', 'then', 'null', 'undefined', 'NaN', 'true',
  'é', 'e\u0301', '漢字', '😀', '👨‍👩‍👧', '\u{10ffff}', '\u202e', '\ud800', '\udc00', '\ud83d', '$3\r\nGET\r\n', '*1\r\n', ',', '],[', '1,2',
];

function textOf(roll, longest) {
  const text = Array.from({ length: roll.below(longest) }, () => roll.pick(PIECES)).join('');
  return roll.below(100) === 0 ? text + roll.pick(['x', 'é', '\0']).repeat(MEGABYTE) : text;
}

const withToJson = (made) => ({ toJSON: () => made });

function valueOf(roll, depth = 0) {
  const nested = () => valueOf(roll, depth + 1);
  const kinds = [
    () => textOf(roll, 10), () => textOf(roll, 10), () => roll.below(2 ** 32) / 7, () => -0, () => NaN, () => Infinity, () => 1e308 * 10,
    () => null, () => false, () => undefined, () => () => {}, () => Symbol('s'), () => 1n, () => new Date(roll.below(2 ** 31)),
    () => Buffer.from(textOf(roll, 5).slice(0, 100)), () => new Map([[1, 2]]), () => new Uint16Array([1, 65535]),
  ];
  if (depth < 3) {
    kinds.push(
      () => Array.from({ length: roll.below(5) }, nested),
      () => Object.fromEntries(Array.from({ length: roll.below(5) }, () => [textOf(roll, 4).slice(0, 50), nested()])),
      () => ({ ['__proto__']: nested(), constructor: nested() }),
      () => withToJson(nested())
    );
  }
  return roll.pick(kinds)();
}

/** What has to come of it: a code, or the JSON text that has to come back. */
function expectedOf(key, value) {
  if (key === '' || !key.isWellFormed() || Buffer.byteLength(key) > 64 * 1024) return 'E_INVALID_KEY';
  try {
    return JSON.stringify(value) ?? 'E_INVALID_VALUE';
  } catch {
    return 'E_INVALID_VALUE';
  }
}

/** The same for the same seed; keys differ from each other, or collisions would hide mistakes. */
function hostileEntries(seed) {
  const roll = dice(seed);
  const entries = new Map();
  while (entries.size < COUNT) {
    const key = textOf(roll, 6);
    if (!entries.has(key)) entries.set(key, valueOf(roll));
  }
  return [...entries];
}

/** Sets all in one tick, then reads all in one tick; the code or the JSON text of each. */
async function roundTrips(cache, entries) {
  const sets = await Promise.all(entries.map(([key, value]) => outcomeOf(cache.cacheSet(key, value))));
  const gets = await Promise.all(entries.map(([key]) => outcomeOf(cache.cacheGet(key))));
  return entries.map((_, i) => sets[i].code ?? (sets[i].value === true ? JSON.stringify(gets[i].value) : sets[i].value));
}

/** The first few that differ, cut short. */
function differences(entries, got, expected) {
  const brief = (text) => String(text).slice(0, 100);
  const wrong = entries.map(([key], i) => ({ i, key: brief(key), got: brief(got[i]), expected: brief(expected[i]) }));
  return wrong.filter(({ i }) => got[i] !== expected[i]).slice(0, 3);
}

describe.each(PLACES)('hostile keys and values on %s', (_where, start) => {
  let place;

  beforeAll(async () => {
    place = await start();
  });

  afterAll(() => place.end());

  test.each([1, 2, 3])('1,000 random ones come back or are refused (seed %i)', async (seed) => {
    const cache = await place.open({ commandTimeoutMs: 10_000, memory: { maxBytes: 256 * MEGABYTE } });
    const entries = hostileEntries(seed);
    const expected = entries.map(([key, value]) => expectedOf(key, value));
    expect(differences(entries, await roundTrips(cache, entries), expected)).toEqual([]);
    const accepted = entries.filter((_, i) => !expected[i].startsWith('E_INVALID'));
    expect(accepted.length).toBeGreaterThan(COUNT / 4);

    // Deleting every other one, by its name, leaves the rest alone.
    const doomed = new Set(accepted.filter((_, i) => i % 2).map(([key]) => key));
    await Promise.all([...doomed].map((key) => cache.cacheDelete(key)));
    const left = await Promise.all(accepted.map(([key]) => cache.cacheGet(key)));
    const texts = accepted.map(([key, value]) => (doomed.has(key) ? 'null' : JSON.stringify(value)));
    expect(differences(accepted, left.map((value) => JSON.stringify(value)), texts)).toEqual([]);
  });
});
