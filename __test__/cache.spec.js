'use strict';

const { PLACES } = require('./support/places');
const { outcomeOf } = require('./support/deferred');

const throwing = () => {
  throw new Error('provoked by a test');
};

class Point {
  constructor(x) {
    this.x = x;
  }
}

/** Name, value. What has to come back is what JSON makes of it. */
const VALUES = [
  ['null', null],
  ['false', false],
  ['true', true],
  ['0', 0],
  ['-0', -0],
  ['an empty text', ''],
  ['NaN', NaN],
  ['Infinity', -Infinity],
  ['the smallest and the largest numbers', [Number.MIN_VALUE, Number.MAX_VALUE, Number.MAX_SAFE_INTEGER, -1e-7]],
  ['an empty array', []],
  ['an empty object', {}],
  ['a sparse array', Object.assign([], { 3: 'x', length: 5 })],
  ['nested arrays', [[[]], [[1, [2]]]]],
  ['a Date', new Date(0)],
  ['an invalid Date', new Date(NaN)],
  ['a Map', new Map([['a', 1]])],
  ['a Set', new Set([1])],
  ['a RegExp', /x/g],
  ['an Error', new Error('x')],
  ['a Buffer', Buffer.from([0, 255])],
  ['typed arrays', [new Uint8Array([1, 2]), new Float64Array([0.5]), new BigInt64Array(0), new ArrayBuffer(2)]],
  ['a class instance', new Point(1)],
  ['boxed primitives', [Object('s'), Object(1), Object(false)]],
  ['undefined, functions and symbols inside', { a: undefined, b: [undefined, () => {}, Symbol('s')], c() {}, d: Symbol('s') }],
  ['symbol keys', { [Symbol('s')]: 1, a: 2 }],
  ['toJSON', { toJSON: (key) => ({ made: true, key }) }],
  ['nested toJSON that gives undefined', { a: { toJSON: () => undefined }, b: 1 }],
  ['a prototype with properties', Object.create({ inherited: 1 }, { own: { value: 2, enumerable: true }, hidden: { value: 3 } })],
  ['an object without a prototype', Object.assign(Object.create(null), { a: 1 })],
  ['ordinary names that are special elsewhere', JSON.parse('{"__proto__":{"x":1},"constructor":2,"toString":3,"length":4,"then":5}')],
  ['keys in their order', { b: 1, a: 2, 10: 3, 9: 4, '': 5 }],
  ['control characters', '\0\u0001\b\t\n\v\f\r\u001f"\\/\u007f\u2028\u2029\ufeff'],
  ['lone surrogates', ['\ud800', '\udc00x', { '\udfff': '\udbff\ud800' }]],
  ['every plane of Unicode', 'aéß漢字😀\u{10ffff}e\u0301\u200d\u{1f468}\u200d\u{1f469}'],
  ['text that looks like JSON', ['null', '{"a":1}', '],[', ',1,', '"', '\\"']],
  ['a long text', 'é'.repeat(300_000)],
  ['many entries', Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, i]))],
  ['deep nesting', JSON.parse('['.repeat(2000) + ']'.repeat(2000))],
];

describe.each(PLACES)('values on %s', (_where, start) => {
  let place;
  let cache;

  beforeAll(async () => {
    place = await start();
    cache = await place.open();
  });

  afterAll(() => place.end());

  test.each(VALUES)('%s comes back as JSON gives it', async (name, value) => {
    const text = JSON.stringify(value);
    expect(await cache.cacheSet(name, value)).toBe(true);
    const read = await cache.cacheGet(name);
    expect(JSON.stringify(read)).toBe(text);
    expect(read).toStrictEqual(JSON.parse(text));
  });

  test('all of them at once come back, each to its own caller', async () => {
    const keys = VALUES.map(([name]) => `all:${name}`);
    const sets = VALUES.map(([, value], i) => cache.cacheSet(keys[i], value));
    const gets = keys.map((key) => cache.cacheGet(key));
    expect(await Promise.all(sets)).toEqual(VALUES.map(() => true));
    const texts = (await Promise.all(gets)).map((value) => JSON.stringify(value));
    expect(texts).toEqual(VALUES.map(([, value]) => JSON.stringify(value)));
  });

  test('-0 is 0, and __proto__ is a property like others', async () => {
    await cache.cacheSet('zero', -0);
    expect(Object.is(await cache.cacheGet('zero'), 0)).toBe(true);
    await cache.cacheSet('proto', JSON.parse('{"__proto__":{"polluted":true}}'));
    const read = await cache.cacheGet('proto');
    expect(Object.keys(read)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
    expect({}.polluted).toBeUndefined();
  });

  test('what was never set is null, also while something like it is there', async () => {
    await cache.cacheSet('there', 1);
    const absent = ['ther', 'there ', ' there', 'There', 'there\0', 'there*', 'cache:there'];
    expect(await Promise.all(absent.map((key) => cache.cacheGet(key)))).toEqual(absent.map(() => null));
  });

  test('the latest value is there, whatever was before', async () => {
    for (const value of [{ large: 'x'.repeat(10_000) }, 0, null, [], 'é']) {
      expect(await cache.cacheSet('replaced', value)).toBe(true);
      expect(await cache.cacheGet('replaced')).toEqual(value);
    }
  });

  test('a delete is carried out, whether or not there was something', async () => {
    await cache.cacheSet('deleted', 1);
    expect(await cache.cacheDelete('deleted')).toBe(true);
    expect(await cache.cacheGet('deleted')).toBeNull();
    expect(await cache.cacheDelete('deleted')).toBe(true);
    expect(await cache.cacheDelete('never there')).toBe(true);
  });

  test('every read is a fresh copy, and changing it changes nothing', async () => {
    await cache.cacheSet('copies', { list: [1, { deep: 2 }] });
    const [first, second] = await Promise.all([cache.cacheGet('copies'), cache.cacheGet('copies')]);
    first.list[1].deep = 'changed';
    first.list.push('added');
    delete first.list[0];
    expect(second).toEqual({ list: [1, { deep: 2 }] });
    expect(await cache.cacheGet('copies')).toEqual({ list: [1, { deep: 2 }] });
  });

  test('what was passed can be changed at once', async () => {
    const value = { list: [1], buffer: Buffer.from('a') };
    const set = cache.cacheSet('passed', value);
    value.list.push(2);
    value.buffer[0] = 0;
    await set;
    value.list.push(3);
    expect(await cache.cacheGet('passed')).toEqual({ list: [1], buffer: { type: 'Buffer', data: [97] } });
  });

  test('a toJSON or a getter that throws rejects, and the old value stays', async () => {
    const hostile = [
      { toJSON: throwing },
      { nested: [{ toJSON: throwing }] },
      { get x() { return throwing(); } },
      new Proxy({}, { ownKeys: throwing }),
      Object.defineProperty({}, 'toJSON', { get: throwing }),
    ];
    await cache.cacheSet('guarded', 'old');
    for (const value of hostile) {
      const { code, error } = await outcomeOf(cache.cacheSet('guarded', value));
      expect([code, error instanceof TypeError]).toEqual(['E_INVALID_VALUE', true]);
    }
    expect(await cache.cacheGet('guarded')).toBe('old');
  });

  test('a toJSON may call the cache itself', async () => {
    let inner;
    const value = {
      toJSON() {
        inner = [cache.cacheSet('inner', 'in'), cache.cacheGet('inner')];
        return 'out';
      },
    };
    const outer = [cache.cacheSet('outer', value), cache.cacheGet('outer')];
    expect(await Promise.all([...outer, ...inner])).toEqual([true, 'out', true, 'in']);
  });
});
