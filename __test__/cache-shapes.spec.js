'use strict';

// Objects with the same keys are built by a function made for those keys, once they have come often. What is read has to be
// what JSON.parse makes of the text, to the order of keys.

const { isDeepStrictEqual } = require('node:util');
const { uniquePrefix } = require('./support');
const { onRedis, usePlace } = require('./support/places');
const { resultOf } = require('./support/program');
const { dice } = require('./support/random');

/** Often enough for every shape to be known. */
const READINGS = 60;

const TEXTS = [
  // Keys that an object literal would take for something else, or that come in another order.
  '{"__proto__":{"polluted":1},"a":1}',
  '{"a":{"__proto__":null}}',
  '{"\\u005f_proto__":1}',
  '{"2":"b","1":"a","x":0}',
  '{"x":0,"1":"a"}',
  '{"01":1,"-1":2,"4294967295":3,"1e3":4}',
  '{"a":1,"b":2,"a":3}',
  '{"":1," ":2,"\\"":3,"\\\\":4,"\\n":5}',
  '{"});process.exit(1);({":1,"`${1}`":2,"\'":3,"*/":4,"//":5,"\\u2028":6}',
  '{"constructor":1,"toString":2,"hasOwnProperty":3,"then":4,"toJSON":5,"get":6,"async":7,"return":8}',
  '{"\u2028":1,"\u2029":2,"é":3,"名前":4,"😀":5}',
  // Numbers.
  '[0,-0,-0.0,0.0,1e0,-1,1.5,5e-324,1e-400,1e308,1e400,-1e400,0.1,123456789012345678901234567890]',
  '[268435455,268435456,-268435456,-268435457,2147483647,2147483648,4294967296,9007199254740991,9007199254740993,18446744073709551616]',
  '{"n":1}',
  '{"n":1.5}',
  '{"n":-0}',
  // Strings.
  '["","a","a","é","é","田中","\\u7530","\\ud83d\\ude00","\\ud800","\\udc00x","\\u0000","\\"","\\\\","\\/","\u007f","a"]',
  `["${'a'.repeat(31)}","${'a'.repeat(32)}","${'a'.repeat(33)}","${'a'.repeat(32)}"]`,
  '{"s":"\\ud800"}',
  // Nesting, nothing, and spaces.
  '{}',
  '[]',
  '[{},[],{"a":{}},{"a":[]},[[[]]]]',
  ' \t\r\n{ "a" : [ 1 , { "b" : null } ] , "c" : true }\n',
  `${'['.repeat(120)}${']'.repeat(120)}`,
  `${'['.repeat(300)}${']'.repeat(300)}`,
  `{"long":"${'x'.repeat(70_000)}"}`,
  `[${Array(33_000).fill(1)}]`,
  `{${Array.from({ length: 64 }, (_, i) => `"k${i}":${i}`)}}`,
  `{${Array.from({ length: 65 }, (_, i) => `"k${i}":${i}`)}}`,
  'null',
  'true',
  'false',
  '12',
  '-1.5e3',
  '"text"',
  '""',
  '[""]',
];

const place = usePlace(onRedis);
let cache;
let keyPrefix;

beforeEach(async () => {
  keyPrefix = uniquePrefix();
  cache = await place.open({ keyPrefix, commandTimeoutMs: 10_000 });
});

const put = (key, text) => place.redis.command('SET', `${keyPrefix}cache:${key}`, Buffer.from(text));
const store = (texts) => Promise.all(texts.map((text, i) => put(`text${i}`, text)));
/** For a process that reads the same. */
const sameKeys = () => ({ url: place.redis.url, keyPrefix });
const read = (count) => Promise.all(Array.from({ length: count }, (_, i) => cache.cacheGet(`text${i}`)));

/** What differs from the text, or from what JSON.parse makes of it. */
function wrongOnes(values, texts) {
  const isWrong = (text, i) => {
    const expected = JSON.parse(text);
    return !isDeepStrictEqual(values[i], expected) || JSON.stringify(values[i]) !== JSON.stringify(expected);
  };
  return texts.filter(isWrong).map((text) => text.slice(0, 100));
}

test('whatever is stored, every reading is what JSON.parse makes of it', async () => {
  await store(TEXTS);
  for (let i = 0; i < READINGS; i++) expect(wrongOnes(await read(TEXTS.length), TEXTS)).toEqual([]);
  expect({}.polluted).toBe(undefined);
});

test('also one by one', async () => {
  await store(TEXTS);
  const values = [];
  for (const i of TEXTS.keys()) values.push(await cache.cacheGet(`text${i}`));
  expect(wrongOnes(values, TEXTS)).toEqual([]);
});

test('in whatever order they come', async () => {
  await store(TEXTS);
  const { shuffle } = dice(1);
  for (let i = 0; i < READINGS; i++) {
    const order = shuffle(Array.from(TEXTS.keys()));
    const values = await Promise.all(order.map((i) => cache.cacheGet(`text${i}`)));
    expect(wrongOnes(values, order.map((i) => TEXTS[i]))).toEqual([]);
  }
});

describe('records of random shapes', () => {
  const KEYS = ['id', 'name', 'a', 'b', 'é', '', '__proto__', '7', 'a-b', 'constructor', 'tags', 'at'];

  const TEXTS_OF = {
    number: ({ below, pick }) => pick([String(below(10)), `-${below(1e9)}`, String(below(2 ** 40)), `${below(1000) / 8}`, '-0', '1e21']),
    string: ({ below, pick }) => JSON.stringify(pick(['', 'x', 'é', '田中', 'a "quoted" one\n', 'z'.repeat(below(80)), String(below(1e6))])),
    other: ({ pick }) => pick(['null', 'true', 'false']),
  };

  /** A function that makes texts of one random shape. */
  function maker(random, depth) {
    const { below, pick, shuffle } = random;
    const kind = pick(['number', 'string', 'other', 'any', ...(depth > 0 ? ['array', 'object', 'object'] : [])]);
    if (kind in TEXTS_OF) return () => TEXTS_OF[kind](random);
    if (kind === 'any') return () => TEXTS_OF[pick(Object.keys(TEXTS_OF))](random);
    if (kind === 'array') {
      const makeItem = maker(random, depth - 1);
      return () => `[${Array.from({ length: below(6) }, makeItem)}]`;
    }
    const members = shuffle(KEYS).slice(0, 1 + below(6)).map((key) => [JSON.stringify(key), maker(random, depth - 1)]);
    return () => `{${members.map(([key, make]) => `${key}:${make()}`)}}`;
  }

  test.each([1, 2, 3])('come back as they are (seed %i)', async (seed) => {
    const random = dice(seed);
    const makers = Array.from({ length: 60 }, () => maker(random, 4));
    const texts = random.shuffle(makers.flatMap((make) => Array.from({ length: READINGS }, make)));
    await store(texts);
    expect(wrongOnes(await read(texts.length), texts)).toEqual([]);
    expect(wrongOnes(await read(texts.length), texts)).toEqual([]);
  });
});

test('dictionaries, each with keys of its own, are no burden to records', async () => {
  const dictionaries = Array.from({ length: 12_000 }, (_, i) => `{"key${i}":{"n":${i}}}`);
  const records = Array.from({ length: 100 }, (_, i) => `{"id":${i},"at":{"n":${i}},"tags":["a","b"]}`);
  const texts = [...records, ...dictionaries, ...records];
  await store(texts);
  for (let i = 0; i < 3; i++) expect(wrongOnes(await read(texts.length), texts)).toEqual([]);
});

test('what one reader does to its value is its own', async () => {
  await store(['{"a":{"b":[1]}}']);
  for (let i = 0; i < READINGS; i++) {
    const [one, other] = await Promise.all([cache.cacheGet('text0'), cache.cacheGet('text0')]);
    one.a.b.push(2);
    one.c = 3;
    expect(other).toEqual({ a: { b: [1] } });
  }
});

test.each([11, 12, 13, 14, 100])('a string of %i characters keeps nothing but itself', async (length) => {
  const perValue = Math.floor(60_000 / (length + 3));
  const strings = Array.from({ length: perValue }, (_, i) => String(i).padStart(length, 'x'));
  await cache.cacheSet('strings', strings);
  const argument = { options: sameKeys(), readings: 200, index: perValue - 1 };
  const { grownBytes, kept } = await resultOf('keep-one-string.js', argument, { nodeArgs: ['--expose-gc'] });
  expect(kept).toBe(1);
  // All 200 texts would be 12 MB.
  expect(grownBytes).toBeLessThan(1_000_000);
});

test('a value takes no more memory than one that JSON.parse makes', async () => {
  // V8 has shorter ones only once, as long as they have been parsed.
  const item = (i) => ({ sku: `SKU-${100_000 + i}-A`, price: i / 8, tags: ['a', 'b'], at: { x: i, weights: [i / 3, 2] } });
  const text = JSON.stringify({ id: 1, items: Array.from({ length: 40 }, (_, i) => item(i)), more: Array.from({ length: 100 }, (_, i) => i) });
  await put('value', text);
  const { held, read, parsed } = await resultOf('hold-values.js', { options: sameKeys(), readings: 1000, text }, { nodeArgs: ['--expose-gc'] });
  expect(held).toBe(2000);
  expect(read).toBeLessThan(1.1 * parsed);
});

test('where Node may not make functions of text, values are the same', async () => {
  await store(['{"id":1,"at":{"n":1.5}}', '[1,"a"]']);
  const nodeArgs = ['--disallow-code-generation-from-strings'];
  const read = await resultOf('many-readings.js', { options: sameKeys(), keys: ['text0', 'text1'], readings: READINGS }, { nodeArgs });
  expect(read).toEqual({ canMakeFunctions: false, values: [{ id: 1, at: { n: 1.5 } }, [1, 'a']] });
});
