'use strict';

// What may be stored under a key, or published: bytes of every kind.

const fc = require('fast-check');
const zlib = require('node:zlib');

const ESCAPES = ['\\"', '\\\\', '\\/', '\\b', '\\f', '\\n', '\\r', '\\t', '\\u0000', '\\u00e9', '\\ud83d\\ude00', '\\ud800', '\\udc00', '\\u2028'];
const BROKEN = ['', ' ', '\n', '\0', '"', '{', '[', ']', ',', ',,', '],[', '1]', '[1', 'nul', 'NaN', '01', '1e', '"\\x"', '\ufeff1', '{a:1}', '[1,]', '{"a":}'];
const NUMBERS = ['0', '-0', '-0.0', '1e21', '1e-7', '0.1', '1e400', '-1e400', '9007199254740993', '268435455', '268435456', '-268435457', '18446744073709551616'];

const anyText = fc.string({ unit: 'binary', maxLength: 30 });
const asJson = (value) => JSON.stringify(value);

/** Objects that have the same keys again and again are built, not parsed. */
const record = fc.oneof(
  fc.record({ id: fc.integer(), name: anyText, tags: fc.array(fc.string({ maxLength: 14 }), { maxLength: 4 }) }),
  fc.record({ at: fc.record({ x: fc.double({ noNaN: true }), y: fc.integer() }), on: fc.boolean(), by: fc.option(anyText) }),
  fc.record({ a: fc.constantFrom('', 'é', 'short', 'longer than twelve') })
);

const json = fc.oneof(
  { weight: 6, arbitrary: record.map(asJson) },
  { weight: 2, arbitrary: fc.jsonValue({ maxDepth: 3, stringUnit: 'binary' }).map(asJson) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }).map((value) => ` ${JSON.stringify(value, null, 2)}\n`) },
  { weight: 1, arbitrary: fc.array(fc.constantFrom(...ESCAPES), { maxLength: 8 }).map((all) => `"${all.join('')}"`) },
  { weight: 1, arbitrary: fc.constantFrom(...NUMBERS).map((number) => `[${number},{"n":${number}}]`) },
  { weight: 1, arbitrary: fc.constantFrom('{"__proto__":1}', '{"constructor":{"prototype":2}}', '{"2":1,"1":2,"a":3}', '{"a":1,"a":2}', 'null', 'false', '""') },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 600 }).map((depth) => '['.repeat(depth) + ']'.repeat(depth)) }
);

const huge = fc.tuple(fc.integer({ min: 20_000, max: 90_000 }), fc.constantFrom('x', 'é', '\\n')).map(([length, unit]) => `"${unit.repeat(length)}"`);

const bytes = fc.oneof(
  { weight: 12, arbitrary: json.map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: fc.constantFrom(...BROKEN).map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((some) => Buffer.from(some)) },
  { weight: 1, arbitrary: json.map((text) => zlib.gzipSync(text)) },
  { weight: 1, arbitrary: fc.tuple(json, fc.nat()).map(([text, cut]) => Buffer.from(text).subarray(0, cut % (text.length + 1))) },
  { weight: 1, arbitrary: fc.tuple(json, fc.constantFrom('', ',', ' ', '\0'), json).map((parts) => Buffer.from(parts.join(''))) }
);

/** What may be stored; one in fifty is larger than a page of answers. */
const stored = fc.oneof({ weight: 49, arbitrary: bytes }, { weight: 1, arbitrary: huge.map((text) => Buffer.from(text)) });

/** What `JSON.parse` makes of bytes, or undefined when they are not JSON. */
function readJson(some) {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(some));
  } catch {
    return undefined;
  }
}

module.exports = { anyText, bytes, json, readJson, stored };
