'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { uniquePrefix, until } = require('./support');
const { PLACES, onRedis, usePlace } = require('./support/places');

/** What a watch tells, in short. */
function listener() {
  const told = [];
  const hear = ({ type, userId, socketId, roomId }) => told.push(`${type} ${roomId} ${userId}/${socketId}`);
  return { told, hear };
}

describe.each(PLACES)('watching rooms on %s', (_where, start) => {
  const place = usePlace(start);
  let presence;

  beforeEach(async () => {
    presence = await place.open();
  });

  /** All that was told, once somebody who comes last has been heard. */
  async function toldInAll({ told }) {
    await presence.setPresence('last', 'l', { roomId: 'r' });
    await until(() => told.includes('join r last/l'));
    await presence.removePresence('last', 'l');
    await until(() => told.includes('leave r last/l'));
    return told.filter((line) => !line.endsWith('last/l'));
  }

  test('tells join, update and leave, once each', async () => {
    const watch = listener();
    const events = [];
    await presence.watchRoom('r', watch.hear);
    await presence.watchRoom('r', (event) => events.push(event));
    await presence.setPresence('u', 's', { roomId: 'r', n: 1 });
    await presence.setPresence('u', 's', { roomId: 'r', n: 1 });
    await presence.setPresence('u', 's', { roomId: 'r', n: 2 });
    await presence.removePresence('u', 's');
    await presence.removePresence('u', 's');
    expect(await toldInAll(watch)).toEqual(['join r u/s', 'update r u/s', 'leave r u/s']);
    expect(events.slice(0, 3)).toEqual([
      { type: 'join', userId: 'u', socketId: 's', roomId: 'r', metadata: { roomId: 'r', n: 1 } },
      { type: 'update', userId: 'u', socketId: 's', roomId: 'r', metadata: { roomId: 'r', n: 2 } },
      { type: 'leave', userId: 'u', socketId: 's', roomId: 'r', metadata: { roomId: 'r', n: 2 } },
    ]);
  });

  test('who is there already does not join, and leaves', async () => {
    await presence.setPresence('u', 's', { roomId: 'r' });
    const watch = listener();
    await presence.watchRoom('r', watch.hear);
    await presence.removePresence('u', 's');
    expect(await toldInAll(watch)).toEqual(['leave r u/s']);
  });

  test('case 31: each socket leaves for itself', async () => {
    const watch = listener();
    await presence.watchRoom('r', watch.hear);
    for (const socket of ['s', 't']) await presence.setPresence('u', socket, { roomId: 'r' });
    for (const socket of ['s', 't']) await presence.removePresence('u', socket);
    expect(await toldInAll(watch)).toEqual(['join r u/s', 'join r u/t', 'leave r u/s', 'leave r u/t']);
  });

  test('a move is a leave and a join, and so is another user', async () => {
    const watch = listener();
    await presence.watchRoom('r', watch.hear);
    await presence.watchRoom('q', watch.hear);
    await presence.setPresence('u', 's', { roomId: ['r', 'q'] });
    await presence.setPresence('u', 's', { roomId: 'q' });
    await presence.setPresence('v', 's', { roomId: 'r' });
    const expected = ['join q u/s', 'join r u/s', 'join r v/s', 'leave q u/s', 'leave r u/s', 'update q u/s'];
    expect((await toldInAll(watch)).sort()).toEqual(expected);
  });

  test('the end of a TTL is a leave, although nobody does anything', async () => {
    const watch = listener();
    await presence.watchRoom('r', watch.hear);
    await presence.setPresence('u', 's', { roomId: 'r' }, 0.2);
    await presence.setPresence('v', 't', { roomId: 'r' }, 100);
    await until(() => watch.told.length === 3);
    expect(await toldInAll(watch)).toEqual(['join r u/s', 'join r v/t', 'leave r u/s']);
  });

  test('who is set again in time does not leave', async () => {
    const watch = listener();
    await presence.watchRoom('r', watch.hear);
    for (let i = 0; i < 8; i += 1) {
      await presence.setPresence('u', 's', { roomId: 'r' }, 0.6);
      await sleep(200);
    }
    expect(await toldInAll(watch)).toEqual(['join r u/s']);
  });

  test('a watch that was ended hears nothing, and one that goes on does', async () => {
    const [ended, goesOn, again] = [listener(), listener(), listener()];
    const end = await presence.watchRoom('r', ended.hear);
    const endOther = await presence.watchRoom('r', goesOn.hear);
    await end();
    await end();
    await presence.setPresence('u', 's', { roomId: 'r' });
    expect(await toldInAll(goesOn)).toEqual(['join r u/s']);
    await endOther();
    await presence.watchRoom('r', again.hear);
    await presence.setPresence('v', 't', { roomId: 'r' });
    expect(await toldInAll(again)).toEqual(['join r v/t']);
    expect([ended.told, goesOn.told.length]).toEqual([[], 3]);
  });

  test('a callback that throws, or rejects, hurts no other', async () => {
    const watch = listener();
    await presence.watchRoom('r', () => { throw new Error('thrown'); });
    await presence.watchRoom('r', async () => { throw new Error('rejected'); });
    await presence.watchRoom('r', watch.hear);
    await presence.setPresence('u', 's', { roomId: 'r' });
    expect(await toldInAll(watch)).toEqual(['join r u/s']);
  });

  test('two hundred rooms, hostile ones among them', async () => {
    const rooms = [...Array.from({ length: 200 }, (_, i) => `r${i}`), '*', '{x}', 'a:b', '__proto__', '😀', 'a\0'];
    const watch = listener();
    await Promise.all(rooms.map((room) => presence.watchRoom(room, watch.hear)));
    await presence.setPresence('u', 's', { roomId: rooms });
    await presence.removePresence('u', 's');
    await until(() => watch.told.length === 2 * rooms.length);
    expect(watch.told.sort()).toEqual(rooms.flatMap((room) => [`join ${room} u/s`, `leave ${room} u/s`]).sort());
  });
});

describe('two processes watch a room', () => {
  const place = usePlace(onRedis);

  test('case 35: one that ends leaves once for each, and one that was just renewed stays', async () => {
    const keyPrefix = uniquePrefix();
    const [one, other, third] = await Promise.all([1, 2, 3].map(() => place.open({ keyPrefix })));
    const watches = [listener(), listener()];
    await one.watchRoom('r', watches[0].hear);
    await other.watchRoom('r', watches[1].hear);
    await third.setPresence('u', 'ends', { roomId: 'r' }, 0.5);
    await third.setPresence('u', 'renewed', { roomId: 'r' }, 0.5);
    await sleep(300);
    await third.setPresence('u', 'renewed', { roomId: 'r' }, 100);
    await until(() => watches.every(({ told }) => told.includes('leave r u/ends')));
    // Both look at a room again and again while somebody may have ended.
    await sleep(1500);
    await Promise.all([1, 2, 3, 4].map(() => one.getRoomPresence('r')));
    for (const { told } of watches) expect(told).toEqual(['join r u/ends', 'join r u/renewed', 'leave r u/ends']);
    expect(await third.getOnlineUsersInRoom('r')).toEqual(['u']);
  });

  test('a connection that is cut hides nothing', async () => {
    const keyPrefix = uniquePrefix();
    const [one, other] = await Promise.all([1, 2].map(() => place.open({ keyPrefix })));
    const watch = listener();
    await one.watchRoom('r', watch.hear);
    await other.setPresence('u', 's', { roomId: 'r' });
    await until(() => watch.told.length === 1);
    for (let round = 0; round < 3; round += 1) {
      await place.redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await other.setPresence(`v${round}`, 't', { roomId: 'r' });
    }
    await other.removePresence('u', 's');
    await until(() => watch.told.includes('leave r u/s') && watch.told.includes('join r v2/t'), { timeoutMs: 20_000 });
    const isThere = new Set();
    for (const line of watch.told) {
      const [type, , id] = line.split(' ');
      expect([line, isThere.has(id)]).toEqual([line, type !== 'join']);
      if (type === 'join') isThere.add(id);
      else isThere.delete(id);
    }
    await until(() => watch.told.filter((line) => line.startsWith('leave')).length === watch.told.filter((line) => line.startsWith('join')).length - 1, { timeoutMs: 20_000 });
  });
});
