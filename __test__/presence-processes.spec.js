'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { uniquePrefix, until } = require('./support');
const { onRedis } = require('./support/places');
const { startRemote } = require('./support/remote');

jest.setTimeout(150_000);

const heartbeat = { presence: { heartbeat: true } };
const SOCKETS = 1000;
const ROOMS = 100;
/** For how long a process is stopped: longer than a life lasts that is not heard of. */
const PAUSE_MS = Number(process.env.PRESENCE_PAUSE_SECONDS ?? 20) * 1000;
/** In which all is gone that was a killed process's. */
const GONE = { timeoutMs: 30_000, everyMs: 100 };
const ALL_ROOMS = Array.from({ length: ROOMS }, (_, i) => `r${i}`);

describe('presence of several processes', () => {
  let place;
  let keyPrefix;
  let remotes;

  beforeAll(async () => {
    place = await onRedis();
  });

  beforeEach(() => {
    keyPrefix = uniquePrefix();
    remotes = [];
  });

  afterEach(async () => {
    await Promise.all(remotes.map((remote) => remote.kill()));
    await place.clear();
  });

  afterAll(() => place.end());

  async function node(options) {
    const remote = await startRemote('presence-node.js', { url: place.url, keyPrefix, ...options });
    remotes.push(remote);
    return remote;
  }

  const fill = (remote, count, rooms) =>
    remote.run(
      ({ backplane }, many, among) =>
        Promise.all(Array.from({ length: many }, (_, i) => backplane.setPresence(`u${i}`, `s${i}`, { roomId: `r${i % among}` }, 1))),
      count,
      rooms
    );
  const watch = (remote) => remote.run(({ backplane, hear }, rooms) => Promise.all(rooms.map((room) => backplane.watchRoom(room, hear))).then(() => true), ALL_ROOMS);
  const toldBy = (remote) => remote.run(({ told }) => told);
  const countIn = async (presence) => (await Promise.all(ALL_ROOMS.map(presence.countOnlineUsersInRoom))).reduce((sum, count) => sum + count, 0);

  test('a killed process is gone within 30 s for every reader, one leave for each socket and watcher', async () => {
    const [dying, ...watchers] = await Promise.all([node(heartbeat), node(), node()]);
    const reader = await place.open({ keyPrefix });
    await Promise.all(watchers.map(watch));
    await fill(dying, SOCKETS, ROOMS);
    await Promise.all(watchers.map((watcher) => until(async () => (await toldBy(watcher)).length === SOCKETS)));
    // Long after the TTL that was asked for.
    await sleep(1500);
    expect(await countIn(reader)).toBe(SOCKETS);
    await dying.kill();
    await until(async () => (await countIn(reader)) === 0, GONE);
    expect(await reader.isUserOnline('u1')).toBe(false);
    expect(Date.now() - (await reader.getLastSeen('u1'))).toBeLessThan(30_000);
    const leaves = (told) => told.filter((line) => line.startsWith('leave'));
    await Promise.all(watchers.map((watcher) => until(async () => leaves(await toldBy(watcher)).length >= SOCKETS, GONE)));
    // Whoever reads takes out what is dead.
    await Promise.all(ALL_ROOMS.map(reader.getRoomPresence));
    await sleep(3000);
    for (const watcher of watchers) {
      const told = await toldBy(watcher);
      expect([told.length, new Set(told).size, leaves(told).length]).toEqual([2 * SOCKETS, 2 * SOCKETS, SOCKETS]);
    }
  });

  test('case 36: a process that is paused comes back by itself, and a new one adopts nothing', async () => {
    const [paused, watcher] = await Promise.all([node(heartbeat), node()]);
    const reader = await place.open({ keyPrefix });
    await watch(watcher);
    await fill(paused, 100, 10);
    await until(async () => (await toldBy(watcher)).length === 100);
    const pid = await paused.run((offered) => offered.pid);
    process.kill(pid, 'SIGSTOP');
    await sleep(PAUSE_MS);
    await until(async () => (await countIn(reader)) === 0, GONE);
    // The same program, as if it had been started again.
    const next = await node(heartbeat);
    await next.run(({ backplane }) => backplane.setPresence('next', 'n', { roomId: 'r0' }));
    expect(await countIn(reader)).toBe(1);
    process.kill(pid, 'SIGCONT');
    await until(async () => (await countIn(reader)) === 101, GONE);
    await until(async () => (await toldBy(watcher)).length >= 301);
    await sleep(1000);
    const told = await toldBy(watcher);
    for (const type of ['join', 'leave']) {
      const times = told.filter((line) => line === `${type} u7/s7`).length;
      expect([type, times]).toEqual([type, type === 'join' ? 2 : 1]);
    }
    expect(told).toHaveLength(301);
  });

  test('without a heartbeat the sockets of a killed process end with their TTL', async () => {
    const [dying, watcher] = await Promise.all([node(), node()]);
    const reader = await place.open({ keyPrefix });
    await watch(watcher);
    await fill(dying, 50, 5);
    await dying.kill();
    await until(async () => (await countIn(reader)) === 0);
    await until(async () => (await toldBy(watcher)).length === 100);
    expect(new Set(await toldBy(watcher)).size).toBe(100);
  });

  test('a heartbeat ends with close', async () => {
    const closing = await node(heartbeat);
    const reader = await place.open({ keyPrefix });
    await fill(closing, 10, 1);
    expect(await countIn(reader)).toBe(10);
    await closing.stop();
    await until(async () => (await countIn(reader)) === 0, GONE);
  });
});
