'use strict';

const assert = require('node:assert');
const { SIDES, openSide } = require('./presence/sides');

const SUBJECT = 'redis-backplane';
/** Users in each of the rooms that fill the server, and in the large one. */
const ROOM = 50;
const LARGE_ROOM = 5000;
/** Sockets that are set again and again. */
const SOCKETS = 10_000;
const FILLING = 512;

const COMPARISONS = [
  { label: 'calls/s', metric: 'opsPerSecond', better: 'higher', versus: 'best' },
  { label: 'main-thread time', metric: 'mainThreadMicros', better: 'lower', versus: 'best' },
  { label: 'p50 latency', metric: 'p50Micros', better: 'lower', versus: 'best' },
];

const READ = { kind: 'read', room: 'r0', expected: ROOM, concurrency: 1 };
const BOTH = Object.keys(SIDES);

// In the order of their size: what fills the server stays for the next.
const WORKLOADS = [
  { id: 'set-c256', title: 'setPresence, 10,000 sockets, concurrency 256', kind: 'set', sockets: 0, sides: [SUBJECT], concurrency: 256 },
  { id: 'room-50-of-1000', title: 'A room of 50 among 1,000 sockets', ...READ, sockets: 1000, sides: BOTH },
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
];

const NOT_QUICK = ['room-50-of-100000', 'room-5000-of-100000', 'room-50-of-1000000'];

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
    if (from < sockets) await fill(side, `redis://${host}:${port}`, from, sockets);
  }
}

async function fill(side, url, from, to) {
  const opened = await openSide(side, url);
  let next = from;
  const setOthers = async () => {
    while (next < to) {
      const i = next++;
      await opened.set(`user${i}`, `socket${i}`, metadataOf(`r${Math.floor(i / ROOM)}`, i));
    }
  };
  await Promise.all(Array.from({ length: FILLING }, setOthers));
  await opened.close();
}

async function open(side, url) {
  return { side, ...(await openSide(side, url)) };
}

async function prepare(opened, { kind, room, expected }) {
  if (kind === 'set') {
    const sockets = Array.from({ length: SOCKETS }, (_, i) => [`user-${i}`, `socket-${i}`, metadataOf(`room-${i % 200}`, i)]);
    return { call: (n) => opened.set(...sockets[n % SOCKETS]), isExpected: (isSet) => isSet === true };
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
  sides: BOTH,
  packages: ['redis-backplane', 'ioredis'],
  comparisons: COMPARISONS,
  workloads,
  seed,
  open,
  prepare,
  audit: () => {},
};
