'use strict';

// Mixtures of calls of all shapes in one tick: keys and texts in ASCII and beyond, values from none to larger
// than the memory that calls are written into, strings and Buffers, calls that nobody understands between
// them. Another client looks at what arrived. Prints how many calls there were; a failure names its seed and
// the smallest case.

const assert = require('node:assert');
const fc = require('fast-check');
const { anyText } = require('../support/arbitraries');
const { deadline } = require('../support/until');
const { RespClient } = require('../../scripts/resp-client');
const { createBackplane } = require('../..');
const { Op, queue } = require('../../lib/queue');

const { url, port, calls, seed } = JSON.parse(process.argv[2]);
const RUNS_A_ROUND = 50;
const CALLS_A_CASE = 120;
const PATIENCE_MS = 10_000;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

const wire = new RespClient(port);
const redis = createBackplane({ url, logger: silent, commandTimeoutMs: PATIENCE_MS });
let taken = 0;

/** A unit and how often it is repeated: short or long, so that a failure can be read. */
const text = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(anyText, fc.constant(1)) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom('x', 'é', '漢', '😀'), fc.integer({ min: 1, max: 4_000 })) }
);
/** As many characters as make a value of each size that is handed over in another way. */
const size = fc.oneof(
  { weight: 30, arbitrary: fc.nat(300) },
  { weight: 3, arbitrary: fc.integer({ min: 20_000, max: 70_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 300_000, max: 1_100_000 }) }
);
const value = fc.tuple(fc.constantFrom('x', 'é', '😀', '"'), size);
const step = fc.record({ kind: fc.nat(99), text, other: text, value });

const spelt = ([unit, times]) => unit.toWellFormed().repeat(times);
const asBulk = (given) => Buffer.from(given);
const readBack = (key) => wire.commandBuffer('GET', key);

/** What each kind of call does with a name of its own, and how another client sees that it did. */
const KINDS = [
  {
    call: (name, one) => redis.cacheSet(name, [one.text, one.value]),
    check: async (name, one) => assert.equal(String(await readBack(`cache:${name}`)), JSON.stringify([one.text, one.value])),
  },
  {
    call: (name, one) => redis.getClient().call('SET', name, asBulk(one.value)),
    check: async (name, one) => assert(asBulk(one.value).equals(await readBack(name))),
  },
  {
    call: (name, one) => redis.getClient().call('HSET', name, one.text, one.value, 'of', one.other),
    check: async (name, one) => {
      const fields = await wire.command('HMGET', name, one.text, 'of');
      assert.deepEqual(fields, [one.text === 'of' ? one.other : one.value, one.other]);
    },
  },
  {
    call: (name, one) => redis.queryCache.set(name, { a: one.text, roomId: one.other + name }, one.value),
    check: async (name, one) => {
      const roomId = one.other + name;
      assert.equal(await redis.queryCache.get(name, { roomId, a: one.text }), one.value);
      assert.equal(await redis.queryCache.invalidateRoom(roomId), 1);
    },
  },
  {
    call: (name, one) => redis.setPresence(name, `s${name}`, { roomId: name, note: one.text }),
    check: async (name, one) => {
      const [present] = await redis.getRoomPresence(name);
      assert.deepEqual([present.userId, present.socketId, present.note], [name, `s${name}`, one.text]);
    },
  },
  {
    call: (name, one) => redis.sessionCache.setSession(name, { userId: one.other, email: `e${name}`, note: one.value }),
    check: async (name, one) => assert.equal((await redis.sessionCache.getSession(name)).note, one.value),
  },
  {
    call: (name) => redis.checkRateLimit(name, 7, 60),
    check: async (name) => assert.deepEqual((await redis.checkRateLimit(name, 7, 60)).count, 2),
  },
  {
    call: (name) => redis.acquireLock(name),
    check: async (name) => assert.equal(await wire.command('EXISTS', `lock:${name}`), 1),
  },
  {
    call: (_name, one) => notUnderstood(one).then(() => assert.fail('understood'), ({ code }) => assert.equal(code, 'E_INTERNAL')),
    check: async () => {},
  },
];

/** Calls as no function of this package writes them: of no kind, too short, too long, with numbers that name nothing. */
function notUnderstood({ kind, text: some, value: content }) {
  const wrong = [
    () => queue().send(1e6, 0, some, content, 1, 2, 3),
    () => queue().send(Op.CacheSet, 0, some, content),
    () => queue().send(Op.CacheSet, 0, some, content, 1000, 1),
    () => queue().ask(Op.LimitCheck, 0, 99, 1),
    () => queue().sendBytes(Op.Receivers, 0, asBulk(content), 99),
  ];
  return wrong[kind % wrong.length]();
}

async function tryCase(steps) {
  await wire.command('FLUSHALL');
  const begun = steps.map((one, n) => {
    const kind = KINDS[one.kind % KINDS.length];
    const given = { kind: one.kind, text: spelt(one.text), other: `o${spelt(one.other)}`, value: spelt(one.value) };
    const name = `${n}:${given.text}`;
    return { kind, name, given, done: kind.call(name, given) };
  });
  await deadline(Promise.all(begun.map(({ done }) => done)), PATIENCE_MS, 'all calls');
  for (const { kind, name, given } of begun) await kind.check(name, given);
  taken += begun.length;
}

async function main() {
  await redis.cacheGet('settled');
  const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: CALLS_A_CASE, size: 'max' }), tryCase);
  for (let round = 0; taken < calls; round++) await fc.assert(property, { seed: seed + round, numRuns: RUNS_A_ROUND });
  await redis.close();
  wire.close();
  console.log(JSON.stringify({ taken, seed }));
}

main();
