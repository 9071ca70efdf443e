'use strict';

const assert = require('node:assert');
const { openObserver } = require('../harness/observer');
const { measureHandOvers, measureWaiting, problemsOf } = require('./locks/measure');
const { Queue } = require('./locks/queue');
const { LEASE_SECONDS, SIDES, openSide, redisKey } = require('./locks/sides');

const CHECKED_NAMES = 64;
const SUBJECT = 'redis-backplane';

const METRICS = [
  { key: 'opsPerSecond', label: 'pairs/s', digits: 0, isOptional: true },
  { key: 'spreadPercent', label: 'pairs/s spread %', digits: 0, isOptional: true },
  { key: 'p50Micros', label: 'p50 µs', digits: 1, isOptional: true },
  { key: 'p99Micros', label: 'p99 µs', digits: 1, isOptional: true },
  { key: 'mainThreadMicros', label: 'main µs/pair', digits: 2, isOptional: true },
  { key: 'cpuMicros', label: 'CPU µs/pair', digits: 2, isOptional: true },
  { key: 'commandsPerOp', label: 'cmds/pair', digits: 2, isOptional: true },
  { key: 'handOverP50Millis', label: 'hand-over p50 ms', digits: 2, isOptional: true },
  { key: 'handOverP99Millis', label: 'hand-over p99 ms', digits: 2, isOptional: true },
  { key: 'placesOff', label: 'places off', digits: 2, isOptional: true },
  { key: 'waitingCommandsPerSecond', label: 'cmds/s waiting', digits: 0, isOptional: true },
  { key: 'waitingCpuMillis', label: 'CPU ms/s waiting', digits: 1, isOptional: true },
  { key: 'errors', label: 'errors', digits: 0 },
];

const COMPARISONS = [
  { label: 'pairs/s', metric: 'opsPerSecond', better: 'higher', versus: 'best' },
  { label: 'main-thread time', metric: 'mainThreadMicros', better: 'lower', versus: 'best' },
  { label: 'p50 latency', metric: 'p50Micros', better: 'lower', versus: 'best' },
  { label: 'hand-over p50, ms', metric: 'handOverP50Millis', better: 'lower', versus: 'best' },
  { label: 'commands/s while waiting', metric: 'waitingCommandsPerSecond', better: 'lower', versus: 'best' },
];

// `sides`: nobody waits in a pair, and retries make no difference; pipelines make none to one lock.
const PAIRS = { kind: 'pairs', sides: Object.keys(SIDES).filter((side) => side !== 'redlock-10ms') };
const QUEUED = {
  sides: Object.keys(SIDES).filter((side) => !side.endsWith('-autopipeline')),
  names: 1,
  concurrency: 1,
};
// A peer that sleeps for 200 ms completes only a few hand-overs per second.
const HAND_OVER = { kind: 'hand-over', ...QUEUED, stretch: 3, bounds: { handOverP50Millis: 5 } };
const WAITING = { kind: 'waiting', ...QUEUED };

// `names`: at concurrency 1024 there are more, so that no two ask for one at once.
const WORKLOADS = [
  { id: 'pairs-c1', title: 'Free locks, 1,000 names, concurrency 1', ...PAIRS, names: 1000, concurrency: 1 },
  { id: 'pairs-c64', title: 'Free locks, 1,000 names, concurrency 64', ...PAIRS, names: 1000, concurrency: 64 },
  {
    id: 'pairs-c1024',
    title: 'Free locks, 4,096 names, concurrency 1024',
    ...PAIRS,
    names: 4096,
    concurrency: 1024,
  },
  {
    id: 'named-c64',
    title: 'Free locks, 1,000 names, concurrency 64, acquireLock and releaseLock',
    kind: 'named',
    sides: [SUBJECT],
    names: 1000,
    concurrency: 64,
  },
  { id: 'hand-over-w1', title: 'One lock, 2 processes, 1 waiter', ...HAND_OVER, waiters: 1 },
  { id: 'hand-over-w16', title: 'One lock, 2 processes, 16 waiters', ...HAND_OVER, waiters: 16 },
  { id: 'waiting-w1', title: 'One lock that stays held, 1 waiter', ...WAITING, waiters: 1 },
  { id: 'waiting-w16', title: 'One lock that stays held, 2 processes, 16 waiters', ...WAITING, waiters: 16 },
];

const NOT_QUICK = ['pairs-c1', 'named-c64', 'waiting-w1'];

const isTrue = (outcome) => outcome === true;

const OPERATIONS = {
  pairs: ({ client }, { names }) => pairs(client.pair, names),
  named: ({ client }, { names }) => pairs(client.namedPair, names),
  'hand-over': (opened) => ({ measure: ({ millis }) => measureHandOvers(opened.queue, millis) }),
  waiting: (opened) => ({ measure: ({ millis }) => measureWaiting(opened.queue, millis) }),
};

function workloads({ quick }) {
  return quick ? WORKLOADS.filter(({ id }) => !NOT_QUICK.includes(id)) : WORKLOADS;
}

// Separate for each side, because all sides share one server. Created beforehand, so that no side's
// time includes it.
function namesOf(side, { id, names }) {
  const number = Object.keys(SIDES).indexOf(side);
  return Array.from({ length: names }, (_, index) => `bench:${id}:${number}:${index}`);
}

function probeName(side, workload) {
  return `probe:${namesOf(side, workload)[0]}`;
}

async function open(side, url) {
  return {
    side,
    url,
    client: await openSide(side, url),
    queue: null,
    close() {
      this.queue?.close();
      return this.client.close();
    },
  };
}

async function prepare(opened, workload) {
  const { side, url, client } = opened;
  const names = namesOf(side, workload);
  const redis = await openObserver(url);
  for (const name of names.slice(0, CHECKED_NAMES)) await checkLock(client, name, redis, redisKey(side, name));
  redis.disconnect();
  if (workload.waiters) {
    opened.queue = await Queue.open(opened, { name: names[0], waiters: workload.waiters });
    const problems = problemsOf(await opened.queue.checkedSession());
    assert.deepStrictEqual(problems, []);
  }
  // For the audit: it is not released.
  assert.ok(await client.take(probeName(side, workload)), 'a free lock is not granted');
  return OPERATIONS[workload.kind](opened, { names });
}

function pairs(pair, names) {
  return { call: (n) => pair(names[n % names.length]), isExpected: isTrue };
}

async function checkLock(client, name, redis, key) {
  const held = await client.take(name);
  assert.ok(held, 'a free lock is not granted');
  assert.strictEqual(await redis.get(key), held.token, 'Redis has the token of another');
  assert.strictEqual(await client.take(name), null, 'a lock is granted to two');
  assert.strictEqual(await redis.get(key), held.token, 'Redis has the token of another');
  assert.strictEqual(await held.release(), true, 'a lock is lost');
  assert.strictEqual(await redis.exists(key), 0, 'a released lock is still there');
}

// Read by the harness itself: a side that locks in its own memory would pass its own check.
async function audit(redis, workload, side) {
  const key = redisKey(side, probeName(side, workload));
  const [token, ttl] = [await redis.get(key), await redis.ttl(key)];
  assert.ok(token?.length >= 32, `${side} has no token in Redis`);
  assert.ok(ttl > LEASE_SECONDS - 10 && ttl <= LEASE_SECONDS, `${side} left a TTL of ${ttl} s`);
}

// Every pair had a key in Redis, which a script deleted as its own; none is left.
async function auditRounds(redis, workload, side, results) {
  const keys = namesOf(side, workload).map((name) => redisKey(side, name));
  assert.strictEqual(await redis.exists(keys), 0, `${side} has left locks behind`);
  if (workload.waiters) return;
  for (const { ops, errors, commands } of results.filter((result) => result.errors === 0)) {
    assert.strictEqual(commands.del, ops, `${side} has released ${commands.del} of ${ops} locks, ${errors} errors`);
  }
}

module.exports = {
  name: 'locks',
  subject: SUBJECT,
  sides: Object.keys(SIDES),
  packages: ['redis-backplane', 'redlock', 'redis-semaphore', 'ioredis'],
  comparisons: COMPARISONS,
  metrics: METRICS,
  workloads,
  seed: () => {},
  open,
  prepare,
  audit,
  auditRounds,
};
