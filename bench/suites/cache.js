'use strict';

const assert = require('node:assert');
const { SIDES, openSide } = require('./cache/sides');
const { makeRecord } = require('./cache/values');

const KEYS = 1000;
const TTL_SECONDS = 3600;
const REDIS_PREFIX = 'cache:bench:';

const COMPARISONS = [
  { label: 'throughput', metric: 'opsPerSecond', better: 'higher', versus: 'best' },
  { label: 'main-thread time', metric: 'mainThreadMicros', better: 'lower', versus: 'best' },
  { label: 'p50 latency', metric: 'p50Micros', better: 'lower', versus: 'ioredis' },
];

const QUICK = ['get-300B-c1', 'get-300B-c64', 'get-300B-c1024', 'get-10KB-c64', 'set-300B-c64'];

function workloads({ quick }) {
  const all = [];
  for (const op of ['get', 'set']) {
    for (const [size, bytes] of [['300B', 300], ['10KB', 10240]]) {
      for (const concurrency of [1, 64, 1024]) {
        const id = `${op}-${size}-c${concurrency}`;
        const title = `${op.toUpperCase()} ${size}, concurrency ${concurrency}`;
        all.push({ id, title, op, bytes, concurrency });
      }
    }
  }
  return quick ? all.filter(({ id }) => QUICK.includes(id)) : all;
}

function records(bytes) {
  return Array.from({ length: KEYS }, (_, id) => makeRecord(id, bytes));
}

async function seed(redis, { op, bytes }) {
  await redis.flushall();
  if (op !== 'get') return;
  const pipeline = redis.pipeline();
  for (const record of records(bytes)) {
    pipeline.set(REDIS_PREFIX + record.id, JSON.stringify(record), 'EX', TTL_SECONDS);
  }
  await pipeline.exec();
}

async function prepare(client, { op, bytes }) {
  const values = records(bytes);
  // Created beforehand, so that no side's time includes the creation of key names.
  const keys = values.map(({ id }) => client.prefix + id);
  if (op === 'set') for (const { id } of values) await client.set(keys[id], values[id], TTL_SECONDS);
  for (const { id } of values) assert.deepStrictEqual(await client.get(keys[id]), values[id]);
  return op === 'get' ? getOperation(client, keys) : setOperation(client, keys, values);
}

function getOperation(client, keys) {
  return {
    call: (n) => client.get(keys[n % KEYS]),
    isExpected: (value, n) => value?.id === n % KEYS,
  };
}

function setOperation(client, keys, values) {
  return {
    call: (n) => client.set(keys[n % KEYS], values[n % KEYS], TTL_SECONDS),
    isExpected: () => true,
  };
}

// Read by the harness itself: a side that kept its writes in its own memory would pass its own
// check.
async function audit(redis, { bytes }, side) {
  for (const record of records(bytes)) {
    const key = REDIS_PREFIX + record.id;
    const [[, json], [, ttl]] = await redis.pipeline().get(key).ttl(key).exec();
    assert.deepStrictEqual(JSON.parse(json), record, `${side} left another value at ${key}`);
    assert.ok(ttl > TTL_SECONDS - 120 && ttl <= TTL_SECONDS, `${side} left a TTL of ${ttl} s`);
  }
}

module.exports = {
  name: 'cache',
  subject: 'redis-backplane',
  sides: Object.keys(SIDES),
  packages: ['redis-backplane', 'ioredis', 'redis', '@valkey/valkey-glide'],
  comparisons: COMPARISONS,
  workloads,
  seed,
  open: openSide,
  prepare,
  audit,
};
