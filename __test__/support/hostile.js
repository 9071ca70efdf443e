'use strict';

// Values that no caller means, and that break what looks at them carelessly.

const provoke = () => {
  throw new Error('provoked by a test');
};
const TRAPS = Object.fromEntries(Object.getOwnPropertyNames(Reflect).map((name) => [name, provoke]));

function revoked(target) {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

const withGetters = (target, names) => {
  for (const name of names) Object.defineProperty(target, name, { get: provoke, enumerable: true, configurable: true });
  return target;
};

function detached() {
  const bytes = new Uint8Array(8);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

/** Says something else each time it is asked. */
function fickle(target, name, ...answers) {
  return Object.defineProperty(target, name, { enumerable: true, configurable: true, get: () => (answers.length > 1 ? answers.shift() : answers[0]) });
}

function nested(depth) {
  let one = [];
  for (let i = 0; i < depth; i++) one = [one];
  return one;
}

/** `[title, make]` of each; what is made is used once. */
function values() {
  return [
    ['undefined', () => undefined], ['null', () => null], ['true', () => true], ['NaN', () => NaN], ['-1', () => -1], ['0', () => 0], ['1.5', () => 1.5], ['Infinity', () => Infinity],
    ['a BigInt', () => 10n ** 30n], ['a symbol', () => Symbol('s')], ['no text', () => ''], ['half a pair', () => '\ud800'], ['a long text', () => 'x'.repeat(70_000)],
    ['a function', () => () => 1], ['a class', () => class {}], ['a function without a prototype', () => Object.setPrototypeOf(() => 1, null)], ['a function that throws', () => provoke],
    ['an object', () => ({})], ['an object without a prototype', () => Object.create(null)], ['an array', () => []], ['an array with a hole', () => [, 'x'].concat('y')], // eslint-disable-line no-sparse-arrays
    ['an array of what has no prototype', () => [Object.create(null)]], ['an array of symbols', () => [Symbol('s')]], ['deep arrays', () => nested(20_000)],
    ['a Map', () => new Map([[{}, {}]])], ['an invalid Date', () => new Date(NaN)], ['a RegExp', () => /x/], ['an Error', () => new Error('x')], ['a promise', () => new Promise(() => {})],
    ['a revoked object', () => revoked({})], ['a revoked array', () => revoked([])], ['a revoked function', () => revoked(() => 1)],
    ['an object whose traps throw', () => new Proxy({}, TRAPS)], ['an array whose traps throw', () => new Proxy(['x'], TRAPS)], ['a function whose traps throw', () => new Proxy(() => 1, TRAPS)],
    ['toString that throws', () => ({ toString: provoke, valueOf: provoke })], ['toPrimitive that throws', () => ({ [Symbol.toPrimitive]: provoke })],
    ['toJSON that throws', () => ({ toJSON: provoke })], ['toJSON that throws nothing', () => ({ toJSON() { throw null; } })], ['toJSON that gives a function', () => ({ toJSON: () => provoke })],
    ['toJSON that throws the second time', () => fickle({}, 'toJSON', undefined, provoke)], ['then that throws', () => withGetters({}, ['then'])],
    ['getters that throw', () => withGetters({}, ['roomId', 'room_id', 'ttlSeconds', 'waitMs', 'signal', 'cost', 'algorithm', 'sharded', 'url', 'email', 'userId', 'aborted', 'length', 'toJSON'])],
    ['a signal that throws', () => ({ aborted: false, addEventListener: provoke, removeEventListener: provoke })], ['a signal with a reason that throws', () => withGetters({ aborted: true, addEventListener() {}, removeEventListener() {} }, ['reason'])],
    ['an array that cannot be walked', () => Object.assign(['x'], { [Symbol.iterator]: provoke })], ['an array whose item throws', () => withGetters(['x'], ['0'])],
    ['an array without methods', () => Object.setPrototypeOf(['x'], null)], ['an array of another kind', () => Object.assign(['x'], { constructor: { [Symbol.species]: provoke }, flat: provoke, map: provoke })],
    ['a detached array', detached], ['a Buffer that lies', () => fickle(Buffer.from('xyz'), 'length', 2 ** 31, 1)], ['a Buffer that throws', () => withGetters(Buffer.from('xyz'), ['length', 'toString', 'buffer'])],
    ['shared memory', () => new Uint8Array(new SharedArrayBuffer(8))], ['a DataView', () => new DataView(new ArrayBuffer(8))],
  ];
}

module.exports = { values };
