'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { uniquePrefix, until } = require('./support');
const { onRedis, usePlace } = require('./support/places');
const { startRemote } = require('./support/remote');

jest.setTimeout(90_000);

const SOCKETS = 200;
const ROOM = 'r';

/** What a watcher may do besides: each of these asks which lives go on. */
const READERS = {
  getOnlineUsersInRoom: (presence) => presence.getOnlineUsersInRoom('r'),
  countOnlineUsersInRoom: (presence) => presence.countOnlineUsersInRoom('r'),
  getRoomPresence: (presence) => presence.getRoomPresence('r'),
  isUserOnline: (presence) => presence.isUserOnline('u1'),
  areUsersOnline: (presence) => presence.areUsersOnline(['u1', 'u2']),
  getUserPresence: (presence) => presence.getUserPresence('u1'),
  getLastSeen: (presence) => presence.getLastSeen('u1'),
  everything: (presence) => Promise.all([presence.getRoomPresence('r'), presence.isUserOnline('u1'), presence.getLastSeen('u1')]),
};

describe('watchers that read what they watch', () => {
  const place = usePlace(onRedis);

  test('each hears one leave for each socket of a killed process', async () => {
    const keyPrefix = uniquePrefix();
    const dying = await startRemote('presence-node.js', { url: place.url, keyPrefix, presence: { heartbeat: true } });
    const watchers = await Promise.all(
      Object.keys(READERS).map(async (name) => {
        const [presence, told] = [await place.open({ keyPrefix }), []];
        await presence.watchRoom(ROOM, ({ type, socketId }) => told.push(`${type} ${socketId}`));
        return { name, presence, told };
      })
    );
    await dying.run(
      ({ backplane }, count) => Promise.all(Array.from({ length: count }, (_, i) => backplane.setPresence(`u${i}`, `s${i}`, { roomId: 'r' }))),
      SOCKETS
    );
    await until(() => watchers.every(({ told }) => told.length === SOCKETS));
    let isReading = true;
    const reading = watchers.map(async ({ name, presence }) => {
      while (isReading) {
        await READERS[name](presence);
        await sleep(200);
      }
    });
    await dying.kill();
    await until(() => watchers.every(({ told }) => told.length >= 2 * SOCKETS), { timeoutMs: 40_000, everyMs: 100 });
    // Whoever told twice would have by then.
    await sleep(2500);
    isReading = false;
    await Promise.all(reading);
    const leaves = Array.from({ length: SOCKETS }, (_, i) => `leave s${i}`).sort();
    for (const { name, told } of watchers) expect([name, told.slice(SOCKETS).sort()]).toEqual([name, leaves]);
  });
});
