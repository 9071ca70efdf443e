'use strict';

const { makeRecord } = require('./cache/values');
const { RESULTS, measureRoom } = require('./caches/room');
const { SIDES, openSide, until } = require('./caches/sides');

const SUBJECT = 'redis-backplane';
const KEYS = 1000;
const ALL_RESULTS = 1_000_000;
const FILLING = 64;

const METRICS = [
  { key: 'opsPerSecond', label: 'ops/s', digits: 0 },
  { key: 'spreadPercent', label: 'ops/s spread %', digits: 0 },
  { key: 'p50Micros', label: 'p50 µs', digits: 1 },
  { key: 'p99Micros', label: 'p99 µs', digits: 1 },
  { key: 'mainThreadMicros', label: 'main µs/op', digits: 2, isOptional: true },
  { key: 'cpuMicros', label: 'CPU µs/op', digits: 2, isOptional: true },
  { key: 'commandsPerOp', label: 'cmds/op', digits: 2, isOptional: true },
  { key: 'errors', label: 'errors', digits: 0 },
];

const COMPARISONS = [
  { label: 'calls/s', metric: 'opsPerSecond', better: 'higher', versus: 'best' },
  { label: 'main-thread time', metric: 'mainThreadMicros', better: 'lower', versus: 'best' },
  { label: 'p50 latency', metric: 'p50Micros', better: 'lower', versus: 'best' },
];

const ALL = Object.keys(SIDES);

const WORKLOADS = [
  { id: 'memory-c1', title: 'Hits in memory, one at a time', kind: 'get', isLocal: true, sides: ALL, concurrency: 1, targets: { opsPerSecond: 1.4 } },
  { id: 'memory-c64', title: 'Hits in memory, concurrency 64', kind: 'get', isLocal: true, sides: ALL, concurrency: 64, targets: { opsPerSecond: 1.4 } },
  { id: 'redis-c64', title: 'Hits on Redis, no memory before it, concurrency 64', kind: 'get', isLocal: false, sides: ALL, concurrency: 64 },
  {
    id: 'get-or-set-c64',
    title: 'getOrSet of what is there, on Redis, concurrency 64',
    kind: 'getOrSet',
    isLocal: false,
    sides: [SUBJECT, 'bentocache', 'cacheable'],
    concurrency: 64,
  },
  {
    id: 'room-20-of-1000000',
    title: 'invalidateRoom of 20 results among 1,000,000, one at a time',
    kind: 'room',
    isLocal: false,
    sides: [SUBJECT],
    concurrency: 1,
    results: ALL_RESULTS,
  },
];

function workloads({ quick }) {
  return quick ? WORKLOADS.filter(({ kind }) => kind !== 'room') : WORKLOADS;
}

let isFilled = false;

/** A million results, in rooms of twenty. */
async function seed({ options: { host, port } }, { kind, results }) {
  if (kind !== 'room' || isFilled) return;
  isFilled = true;
  const opened = await openSide(SUBJECT, `redis://${host}:${port}`, { isLocal: false });
  let next = 0;
  const fillOthers = async () => {
    while (next < results / RESULTS) await opened.fillRoom(`filled${next++}`, RESULTS);
  };
  await Promise.all(Array.from({ length: FILLING }, fillOthers));
  await opened.close();
}

/** Opens nothing yet: the local cache of a side depends on the workload. */
async function open(side, url) {
  const opened = [];
  return { side, url, opened, close: () => Promise.all(opened.map((one) => one.close())) };
}

async function prepare(place, { kind, isLocal }) {
  const side = await openSide(place.side, place.url, { isLocal });
  place.opened.push(side);
  if (kind === 'room') return { measure: ({ millis }) => measureRoom(side, millis) };
  const values = Array.from({ length: KEYS }, (_, i) => makeRecord(i, 300));
  const keys = Array.from({ length: KEYS }, (_, i) => `bench:${place.side}:${isLocal}:${i}`);
  for (const [i, key] of keys.entries()) await side.set(key, values[i]);
  if (isLocal && side.isAtHand) await until(() => side.isAtHand(keys[0]));
  // The local cache is filled after the first read.
  for (const key of keys) await side.get(key);
  const isExpected = (value, n) => value?.id === values[n % KEYS].id;
  if (kind === 'get') return { call: (n) => side.get(keys[n % KEYS]), isExpected };
  const load = () => {
    throw new Error('it should be there');
  };
  for (const [i, key] of keys.entries()) await side.getOrSet(key, () => values[i]);
  return { call: (n) => side.getOrSet(keys[n % KEYS], load), isExpected };
}

module.exports = {
  name: 'caches',
  subject: SUBJECT,
  sides: ALL,
  packages: ['redis-backplane', 'bentocache', 'redis', 'cacheable'],
  comparisons: COMPARISONS,
  metrics: METRICS,
  workloads,
  seed,
  open,
  prepare,
  audit: () => {},
};
