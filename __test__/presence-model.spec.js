'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { uniquePrefix, until } = require('./support');
const { onMemory, onRedis } = require('./support/places');
const { startRemote } = require('./support/remote');
const { dice } = require('./support/random');

jest.setTimeout(150_000);

const USERS = ['ada', 'a:b', '{x}', '😀'];
const SOCKETS = ['s', '1:s', '*', 'b:c', '__proto__'];
const ROOMS = ['lobby', 'a', '{x}', '*', 'lobby:a'];
const SHORT_SECONDS = 0.05;

/** What there should be: sockets with their users, rooms and metadata. */
class Model {
  sockets = new Map();

  set(user, socket, metadata) {
    this.sockets.set(socket, { user, metadata });
    return true;
  }

  remove(user, socket) {
    if (this.sockets.get(socket)?.user === user) this.sockets.delete(socket);
    return true;
  }

  refresh(user, socket, room) {
    const known = this.sockets.get(socket);
    if (known?.user !== user) return false;
    if (!roomsOf(known).includes(room)) known.metadata = { roomId: room };
    return true;
  }

  end(socket) {
    this.sockets.delete(socket);
  }

  all(is) {
    const there = [...this.sockets].filter(([, known]) => is(known));
    const described = there.map(([socketId, { user, metadata }]) => ({ ...metadata, userId: user, socketId }));
    return described.sort((a, b) => compare(a.userId, b.userId) || compare(a.socketId, b.socketId));
  }

  picture() {
    const users = USERS.map((user) => this.all((known) => known.user === user));
    const rooms = ROOMS.map((room) => this.all((known) => roomsOf(known).includes(room)));
    const distinct = rooms.map((there) => [...new Set(there.map(({ userId }) => userId))]);
    return { online: users.map((there) => there.length > 0), users, rooms, distinct, counts: distinct.map(({ length }) => length) };
  }
}

const roomsOf = ({ metadata }) => [metadata.roomId ?? []].flat();
const compare = (a, b) => (a < b ? -1 : Number(a > b));

/** In a process: the same picture, by every function that reads. */
async function picture({ backplane }, userIds, roomIds) {
  const plain = (there) => there.map(({ lastSeen: _when, ...present }) => present);
  const each = (ids, read) => Promise.all(ids.map(read));
  return {
    online: await backplane.areUsersOnline(userIds),
    users: (await each(userIds, backplane.getUserPresence)).map(plain),
    rooms: (await each(roomIds, backplane.getRoomPresence)).map(plain),
    distinct: await each(roomIds, backplane.getOnlineUsersInRoom),
    counts: await each(roomIds, backplane.countOnlineUsersInRoom),
  };
}

/** In a process: one step. */
function act({ backplane }, { kind, user, socket, metadata, room, ttlSeconds }) {
  if (kind === 'remove') return backplane.removePresence(user, socket);
  if (kind === 'refresh') return new backplane.PresenceService().refreshPresence(user, socket, room);
  return backplane.setPresence(user, socket, metadata, ttlSeconds);
}

function randomStep({ below, pick }) {
  const kind = pick(['set', 'set', 'set', 'end', 'remove', 'refresh', 'refresh']);
  const rooms = ROOMS.filter(() => below(5) < 2);
  const roomId = pick([rooms, rooms, pick(ROOMS), undefined]);
  const metadata = { ...(roomId && { roomId }), n: below(3) };
  return { kind, user: pick(USERS), socket: pick(SOCKETS), metadata, room: pick(ROOMS), ttlSeconds: kind === 'end' ? SHORT_SECONDS : 600 };
}

/** Does random steps, each in one of the processes, and compares what another one reads. */
async function drive({ steps, seed, run, beforeStep = () => {} }) {
  const random = dice(seed);
  const model = new Model();
  for (let i = 0; i < steps; i += 1) {
    await beforeStep(i);
    const step = randomStep(random);
    const { kind, user, socket, metadata, room } = step;
    const expected = kind === 'remove' || kind === 'refresh' ? model[kind](user, socket, room) : model.set(user, socket, metadata);
    expect([i, step, await run(i, act, step)]).toEqual([i, step, expected]);
    if (kind === 'end') {
      await sleep(SHORT_SECONDS * 1000 + 10);
      model.end(socket);
    }
    expect({ i, step, ...(await run(i + 1, picture, USERS, ROOMS)) }).toEqual({ i, step, ...model.picture() });
  }
}

/** Processes, of which one may be stopped. */
class Nodes {
  #options;
  #all = [];
  #still = null;

  constructor(options) {
    this.#options = options;
  }

  async start(count) {
    this.#all = await Promise.all(Array.from({ length: count }, () => this.#startOne()));
  }

  /** One that can answer. */
  pick(i) {
    const awake = this.#all.filter((node) => node !== this.#still);
    return awake[i % awake.length];
  }

  async stopOne(i) {
    this.#still = this.pick(i);
    this.#still.pid = await this.#still.run(({ pid }) => pid);
    process.kill(this.#still.pid, 'SIGSTOP');
  }

  /** It may take what it had asked before for an outage, and is itself again when an answer comes. */
  async goOn() {
    process.kill(this.#still.pid, 'SIGCONT');
    const isWell = () => this.#still.run(({ backplane }) => backplane.health());
    await until(async () => (await isWell()).status === 'ok', { what: 'the process that stood still is well' });
    this.#still = null;
  }

  async replaceOne(i) {
    const place = i % this.#all.length;
    await this.#all[place].kill();
    this.#all[place] = await this.#startOne();
  }

  async kill() {
    await Promise.all(this.#all.map((node) => node.kill()));
  }

  #startOne() {
    return startRemote('presence-node.js', this.#options);
  }
}

describe('presence agrees with a model', () => {
  test.each([
    ['redis', onRedis],
    ['memory', onMemory],
  ])('in one process on %s', async (_where, start) => {
    const place = await start();
    try {
      const backplane = await place.open();
      await drive({ steps: 1500, seed: 7, run: (_i, task, ...args) => task({ backplane }, ...args) });
    } finally {
      await place.end();
    }
  });

  test('in three processes, which are killed and started again, or stand still for a while', async () => {
    const place = await onRedis();
    const nodes = new Nodes({ url: place.url, keyPrefix: uniquePrefix() });
    const events = { 50: (i) => nodes.stopOne(i), 150: () => nodes.goOn(), 249: (i) => nodes.replaceOne(i) };
    try {
      await nodes.start(3);
      await drive({
        steps: 1500,
        seed: 11,
        run: (i, task, ...args) => nodes.pick(i).run(task, ...args),
        beforeStep: (i) => events[i % 250]?.(i),
      });
    } finally {
      await nodes.kill();
      await place.end();
    }
  });
});
