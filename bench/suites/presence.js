'use strict';

const assert = require('node:assert');
const { measureHeartbeat } = require('./presence/heartbeat');
const { SIDES, SOCKETS_IN_ROOM, openSide } = require('./presence/sides');

const SUBJECT = 'redis-backplane';
const LARGE_ROOM = 5000;
/** Sockets that are set repeatedly. */
const SOCKETS = 10_000;
const KEPT_ALIVE = 100_000;
const FILLING = 512;

const METRICS = [
  { key: 'opsPerSecond', label: 'ops/s', digits: 0, isOptional: true },
  { key: 'spreadPercent', label: 'ops/s spread %', digits: 0, isOptional: true },
  { key: 'p50Micros', label: 'p50 µs', digits: 1, isOptional: true },
  { key: 'p99Micros', label: 'p99 µs', digits: 1, isOptional: true },
  { key: 'mainThreadMicros', label: 'main µs/op', digits: 2, isOptional: true },
  { key: 'cpuMicros', label: 'CPU µs/op', digits: 2, isOptional: true },
  { key: 'commandsPerOp', label: 'cmds/op', digits: 2, isOptional: true },
  { key: 'mainThreadPercent', label: 'main % of a core', digits: 2, isOptional: true },
  { key: 'processPercent', label: 'process % of a core', digits: 2, isOptional: true },
  { key: 'serverPercent', label: 'Redis % of a core', digits: 2, isOptional: true },
  { key: 'errors', label: 'errors', digits: 0 },
];

const COMPARISONS = [
  { label: 'calls/s', metric: 'opsPerSecond', better: 'higher', versus: 'best' },
  { label: 'main-thread time', metric: 'mainThreadMicros', better: 'lower', versus: 'best' },
  { label: 'p50 latency', metric: 'p50Micros', better: 'lower', versus: 'best' },
];

const READ = { kind: 'read', room: 'r0', expected: SOCKETS_IN_ROOM, concurrency: 1 };
const BOTH = [SUBJECT, 'scan-and-get'];

// In order of size: the data on the server stays for the next one.
const WORKLOADS = [
  { id: 'set-c256', title: 'setPresence, 10,000 sockets, concurrency 256', kind: 'set', sockets: 0, sides: [SUBJECT], concurrency: 256 },
  { id: 'room-50-of-1000', title: 'A room of 50 among 1,000 sockets', ...READ, sockets: 1000, sides: Object.keys(SIDES) },
  {
    id: 'room-50-of-20000',
    title: 'A room of 50 among 20,000 sockets',
    ...READ,
    sockets: 20_000,
    sides: BOTH,
    targets: { opsPerSecond: 200 },
  },
  { id: 'room-50-of-100000', title: 'A room of 50 among 100,000 sockets', ...READ, sockets: 100_000, sides: [SUBJECT] },
  {
    id: 'room-5000-of-100000',
    title: 'A room of 5,000 among 100,000 sockets',
    ...READ,
    room: 'large',
    expected: LARGE_ROOM,
    sockets: 100_000,
    sides: [SUBJECT],
  },
  { id: 'room-50-of-1000000', title: 'A room of 50 among 1,000,000 sockets', ...READ, sockets: 1_000_000, sides: [SUBJECT] },
  {
    id: 'heartbeat-100000',
    title: '100,000 sockets kept alive, nothing else',
    kind: 'heartbeat',
    sockets: 0,
    sides: [SUBJECT],
    concurrency: 1,
    stretch: 10,
  },
];

const NOT_QUICK = ['room-50-of-100000', 'room-5000-of-100000', 'room-50-of-1000000', 'heartbeat-100000'];

function workloads({ quick }) {
  return quick ? WORKLOADS.filter(({ id }) => !NOT_QUICK.includes(id)) : WORKLOADS;
}

const metadataOf = (roomId, i) => ({ roomId, name: 'Ada Lovelace', device: 'phone', agent: 'Mozilla/5.0', n: i % 7 });

/** How many sockets each side has on the server. */
const filled = new Map();

async function seed({ options: { host, port } }, { sockets, sides }) {
  for (const side of sides) {
    const from = filled.get(side) ?? 0;
    filled.set(side, Math.max(from, sockets));
    if (from < sockets && side !== 'fetch-sockets') await fill(side, `redis://${host}:${port}`, from, sockets);
  }
}

async function fill(side, url, from, to) {
  const opened = await openSide(side, url);
  await setAll(opened, from, to);
  await opened.close();
}

async function setAll({ set }, from, to, name = '') {
  let next = from;
  const setOthers = async () => {
    while (next < to) {
      const i = next++;
      await set(`${name}user${i}`, `${name}socket${i}`, metadataOf(`${name}r${Math.floor(i / SOCKETS_IN_ROOM)}`, i));
    }
  };
  await Promise.all(Array.from({ length: FILLING }, setOthers));
}

async function open(side, url) {
  return { side, url, ...(await openSide(side, url)) };
}

async function prepare(opened, { kind, room, expected }) {
  if (kind === 'set') {
    const sockets = Array.from({ length: SOCKETS }, (_, i) => [`user-${i}`, `socket-${i}`, metadataOf(`room-${i % 200}`, i)]);
    return { call: (n) => opened.set(...sockets[n % SOCKETS]), isExpected: (isSet) => isSet === true };
  }
  if (kind === 'heartbeat') {
    const keeping = await openSide(opened.side, opened.url, { presence: { heartbeat: true } });
    await setAll(keeping, 0, KEPT_ALIVE, 'kept-');
    return { measure: ({ millis }) => measureHeartbeat(opened.url, millis) };
  }
  if (room === 'large') {
    const all = Array.from({ length: LARGE_ROOM }, (_, i) => opened.set(`large${i}`, `l${i}`, metadataOf(room, i)));
    await Promise.all(all);
  }
  assert.strictEqual((await opened.users(room)).length, expected, 'the room is complete');
  return { call: () => opened.users(room), isExpected: (users) => users.length === expected };
}

module.exports = {
  name: 'presence',
  subject: SUBJECT,
  sides: Object.keys(SIDES),
  packages: ['redis-backplane', 'ioredis', 'socket.io', '@socket.io/redis-adapter'],
  comparisons: COMPARISONS,
  metrics: METRICS,
  workloads,
  seed,
  open,
  prepare,
  audit: () => {},
};
