'use strict';

const assert = require('node:assert');
const { SIDES, openSide, redisPrefix } = require('./limits/sides');

const KEYS = 1000;
const WINDOW_SECONDS = 3600;
// Neither is reached in a run, and limit × window remains a whole number in the scripts of all
// sides.
const ENDLESS = 1_000_000_000;
const SMALL = 100;
// This many more than are allowed, all at once.
const SURPLUS = 64;

const SUBJECT = 'redis-backplane';
const MEMORY_BLOCK = 'rate-limiter-flexible-memory-block';
const ASKING = Object.keys(SIDES).filter((side) => side !== MEMORY_BLOCK);

const COMPARISONS = [
  { label: 'checks/s', metric: 'opsPerSecond', better: 'higher', versus: 'best' },
  { label: 'main-thread time', metric: 'mainThreadMicros', better: 'lower', versus: 'best' },
  { label: 'p50 latency', metric: 'p50Micros', better: 'lower', versus: 'best' },
];

const FIXED = { algorithm: 'fixed-window', sides: ASKING, isExhausted: false };

// `sides`: the peers have no sliding window and no token bucket on Redis; the memory block does
// nothing for a key that has room.
const WORKLOADS = [
  { id: 'fixed-c1', title: 'Fixed window, 1,000 keys with room, concurrency 1', ...FIXED, concurrency: 1 },
  {
    id: 'fixed-c64',
    title: 'Fixed window, 1,000 keys with room, concurrency 64',
    ...FIXED,
    concurrency: 64,
    targets: { opsPerSecond: 2, mainThreadMicros: 0.5 },
  },
  { id: 'fixed-c1024', title: 'Fixed window, 1,000 keys with room, concurrency 1024', ...FIXED, concurrency: 1024 },
  {
    id: 'exhausted-c64',
    title: 'Fixed window, one exhausted key, concurrency 64 (the peers as they are by default: ask Redis)',
    ...FIXED,
    isExhausted: true,
    concurrency: 64,
    targets: { opsPerSecond: 10 },
  },
  {
    id: 'exhausted-block-c64',
    title: 'Fixed window, one exhausted key, concurrency 64 (the peer with inMemoryBlockOnConsumed: does not ask)',
    ...FIXED,
    sides: [SUBJECT, MEMORY_BLOCK],
    isExhausted: true,
    concurrency: 64,
  },
  {
    id: 'sliding-c64',
    title: 'Sliding window, 1,000 keys with room, concurrency 64',
    algorithm: 'sliding-window',
    sides: [SUBJECT],
    isExhausted: false,
    concurrency: 64,
  },
  {
    id: 'bucket-c64',
    title: 'Token bucket, 1,000 keys with room, concurrency 64',
    algorithm: 'token-bucket',
    sides: [SUBJECT],
    isExhausted: false,
    concurrency: 64,
  },
];

const NOT_QUICK = ['fixed-c1', 'fixed-c1024'];

function workloads({ quick }) {
  return quick ? WORKLOADS.filter(({ id }) => !NOT_QUICK.includes(id)) : WORKLOADS;
}

// Separate for each side, because all sides share one server. Created beforehand, so that no side's
// time includes it.
function keysOf(side, { id, isExhausted }) {
  const count = isExhausted ? 1 : KEYS;
  const number = Object.keys(SIDES).indexOf(side);
  return Array.from({ length: count }, (_, index) => `${id}:${number}:${index}`);
}

function probeKey(side, workload) {
  return `probe:${keysOf(side, workload)[0]}`;
}

async function open(side, url) {
  return { side, ...(await openSide(side, url)) };
}

async function prepare({ side, limiter }, workload) {
  const { algorithm, isExhausted } = workload;
  const small = limiter({ algorithm, max: SMALL, seconds: WINDOW_SECONDS });
  await expectExactly(SMALL, small, probeKey(side, workload));
  const keys = keysOf(side, workload);
  return isExhausted ? exhaustedOperation(small, keys[0]) : roomyOperation(limiter, algorithm, keys);
}

function roomyOperation(limiter, algorithm, keys) {
  const { pass, isAllowed } = limiter({ algorithm, max: ENDLESS, seconds: WINDOW_SECONDS });
  return { call: (n) => pass(keys[n % KEYS]), isExpected: isAllowed };
}

async function exhaustedOperation(limiter, key) {
  await expectExactly(SMALL, limiter, key);
  return { call: () => limiter.check(key), isExpected: (outcome) => !limiter.isAllowed(outcome) };
}

async function expectExactly(max, { check, isAllowed }, key) {
  const outcomes = await Promise.all(Array.from({ length: max + SURPLUS }, () => check(key)));
  assert.strictEqual(outcomes.filter(isAllowed).length, max, 'let through at once');
  assert.ok(!isAllowed(await check(key)), 'let one more through');
}

// Read by the harness itself: a side that counted in its own memory would pass its own check.
async function audit(redis, workload, side) {
  if (workload.algorithm !== 'fixed-window') return;
  const key = redisPrefix(side) + probeKey(side, workload);
  const [count, ttl] = [Number(await redis.get(key)), await redis.ttl(key)];
  // The peer also counts denied requests.
  assert.ok(side === SUBJECT ? count === SMALL : count >= SMALL, `${side} has counted ${count}`);
  assert.ok(ttl > WINDOW_SECONDS - 120 && ttl <= WINDOW_SECONDS, `${side} left a TTL of ${ttl} s`);
}

// The requests allowed in all rounds must equal the count: each request once, and no others.
async function auditRounds(redis, workload, side, results) {
  if (workload.algorithm !== 'fixed-window') return;
  const keys = keysOf(side, workload).map((key) => redisPrefix(side) + key);
  const counted = (await redis.mget(keys)).reduce((sum, count) => sum + Number(count), 0);
  if (!workload.isExhausted) {
    const ops = results.reduce((sum, result) => sum + result.ops, 0);
    assert.strictEqual(counted, ops, `${side} has counted ${counted} of ${ops} requests`);
  } else if (side === SUBJECT) {
    assert.strictEqual(counted, SMALL, `${side} has counted ${counted} of ${SMALL} requests`);
  }
}

module.exports = {
  name: 'limits',
  subject: SUBJECT,
  sides: Object.keys(SIDES),
  packages: ['redis-backplane', 'rate-limiter-flexible', 'ioredis'],
  comparisons: COMPARISONS,
  workloads,
  seed: () => {},
  open,
  prepare,
  audit,
  auditRounds,
};
