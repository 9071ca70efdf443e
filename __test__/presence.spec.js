'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { uniquePrefix, until } = require('./support');
const { NOBODY, PLACES, onRedis, silent, usePlace } = require('./support/places');
const { createBackplane } = require('..');

const HOSTILE = ['user', 'a:b', 'b:c', '*', '{x}', '{', '__proto__', 'constructor', '1:a', '3:a:b', 'a\0b', '😀'.repeat(256), 'x'.repeat(65536)];

const AT_ONCE = 100;

const rooms = (count) => Array.from({ length: count }, (_, i) => `r${i}`);

describe.each(PLACES)('presence on %s', (_where, start) => {
  const place = usePlace(start);
  let presence;

  beforeEach(async () => {
    presence = await place.open();
  });

  test('case 31: a user is online while any of its sockets is', async () => {
    expect(await presence.setPresence('u', 'phone', { roomId: 'r' })).toBe(true);
    expect(await presence.setPresence('u', 'laptop', { roomId: 'r' })).toBe(true);
    expect(await presence.removePresence('u', 'phone')).toBe(true);
    expect([await presence.isUserOnline('u'), await presence.getOnlineUsersInRoom('r')]).toEqual([true, ['u']]);
    expect(await presence.removePresence('u', 'laptop')).toBe(true);
    expect([await presence.isUserOnline('u'), await presence.getOnlineUsersInRoom('r')]).toEqual([false, []]);
  });

  test('case 32: a late removal of the old socket leaves the new one; a late refresh brings nothing back', async () => {
    const service = new presence.PresenceService();
    await service.setOnline('u', 'old', 'r');
    await service.setOnline('u', 'new', 'r');
    await service.setOffline('u', 'old');
    expect([await service.isOnline('u'), await service.getOnlineUsers('r')]).toEqual([true, ['u']]);
    expect(await service.refreshPresence('u', 'old', 'r')).toBe(false);
    await service.setOffline('u', 'new');
    expect(await service.refreshPresence('u', 'new', 'r')).toBe(false);
    expect([await service.isOnline('u'), await service.getOnlineUsers('r')]).toEqual([false, []]);
  });

  test('case 33: a socket that moves is nowhere else, in room and user', async () => {
    await presence.setPresence('u', 's', { roomId: ['a', 'b'] });
    await presence.setPresence('u', 's', { roomId: ['b', 'c'] });
    expect(await Promise.all(['a', 'b', 'c'].map(presence.getOnlineUsersInRoom))).toEqual([[], ['u'], ['u']]);
    await presence.setPresence('v', 's', { roomId: 'c' });
    expect(await Promise.all(['b', 'c'].map(presence.getOnlineUsersInRoom))).toEqual([[], ['v']]);
    expect(await presence.areUsersOnline(['u', 'v', 'nobody'])).toEqual([false, true, false]);
    // Of the user before, which it is not any more.
    await presence.removePresence('u', 's');
    expect(await presence.isUserOnline('v')).toBe(true);
  });

  test('case 34: a shorter TTL shortens, and one live device keeps no dead one in a room', async () => {
    await presence.setPresence('u', 'dead', { roomId: 'a' }, 100);
    await presence.setPresence('u', 'live', { roomId: 'b' }, 100);
    await presence.setPresence('u', 'dead', { roomId: 'a' }, 0.2);
    expect(await presence.getOnlineUsersInRoom('a')).toEqual(['u']);
    await until(async () => (await presence.getOnlineUsersInRoom('a')).length === 0);
    expect([await presence.isUserOnline('u'), await presence.getOnlineUsersInRoom('b')]).toEqual([true, ['u']]);
    expect((await presence.getUserPresence('u')).map(({ socketId }) => socketId)).toEqual(['live']);
  });

  test('lasts as long as it was told, and no longer', async () => {
    const begun = performance.now();
    await presence.setPresence('u', 's', { roomId: 'r' }, 0.3);
    while (await presence.isUserOnline('u')) await sleep(2);
    expect(performance.now() - begun).toBeGreaterThan(295);
    expect(await presence.getRoomPresence('r')).toEqual([]);
  });

  test('gives back metadata as JSON does, and says itself whose they are', async () => {
    const metadata = JSON.parse('{"roomId":"r","name":"Ada","__proto__":{"x":1},"nested":{"a":[1,null,"é😀"]},"userId":"forged","lastSeen":0}');
    const before = Date.now();
    await presence.setPresence('u', 's', metadata);
    const [found] = await presence.getUserPresence('u');
    expect(found).toEqual({ ...metadata, userId: 'u', socketId: 's', lastSeen: expect.any(Number) });
    expect(Object.hasOwn(found, '__proto__')).toBe(true);
    expect(Math.abs(found.lastSeen - before)).toBeLessThan(5000);
    expect(await presence.getRoomPresence('r')).toEqual([found]);
    expect(Object.getPrototypeOf(found).x).toBeUndefined();
  });

  test('lists sockets by user and id, users once and sorted as sort does', async () => {
    const users = ['b', 'a', '\uffff', '😀', 'é', 'a\0'];
    for (const user of users) for (const socket of ['2', '1']) await presence.setPresence(user, user + socket, { roomId: 'r' });
    const sorted = [...users].sort();
    expect(await presence.getOnlineUsersInRoom('r')).toEqual(sorted);
    expect(await presence.countOnlineUsersInRoom('r')).toBe(users.length);
    expect((await presence.getRoomPresence('r')).map(({ socketId }) => socketId)).toEqual(sorted.flatMap((user) => [`${user}1`, `${user}2`]));
  });

  test('no id reaches another', async () => {
    for (const [i, id] of HOSTILE.entries()) await presence.setPresence(id, `s${i}`, { roomId: id });
    for (const [i, id] of HOSTILE.entries()) {
      expect(await presence.getOnlineUsersInRoom(id)).toEqual([id]);
      expect((await presence.getUserPresence(id)).map(({ socketId }) => socketId)).toEqual([`s${i}`]);
    }
    await presence.removePresence('*', `s${HOSTILE.indexOf('*')}`);
    expect((await presence.areUsersOnline(HOSTILE)).filter((isOnline) => !isOnline)).toHaveLength(1);
  });

  test('pairs of ids that look alike when they are joined are different', async () => {
    await presence.setPresence('a:b', 'c', { roomId: 'r' });
    await presence.setPresence('a', 'b:c', { roomId: 'r' });
    expect(await presence.getOnlineUsersInRoom('r')).toEqual(['a', 'a:b']);
    await presence.removePresence('a', 'b:c');
    expect(await presence.getOnlineUsersInRoom('r')).toEqual(['a:b']);
  });

  test('knows when a user was last seen', async () => {
    expect(await presence.getLastSeen('u')).toBeNull();
    await presence.setPresence('u', 's', {}, 0.1);
    const seen = await presence.getLastSeen('u');
    expect(Math.abs(seen - Date.now())).toBeLessThan(5000);
    await until(async () => !(await presence.isUserOnline('u')));
    expect(await presence.getLastSeen('u')).toBe(seen);
    await presence.setPresence('u', 's');
    await sleep(5);
    await presence.removePresence('u', 's');
    expect(await presence.getLastSeen('u')).toBeGreaterThan(seen);
  });

  test('a refresh keeps metadata, and moves to a room', async () => {
    const service = new presence.PresenceService();
    await presence.setPresence('u', 's', { roomId: 'a', name: 'Ada' }, 0.5);
    expect(await service.refreshPresence('u', 's', 'a')).toBe(true);
    await sleep(600);
    expect(await presence.getUserPresence('u')).toMatchObject([{ name: 'Ada', roomId: 'a' }]);
    expect(await service.refreshPresence('u', 's', 'b')).toBe(true);
    expect([await presence.getOnlineUsersInRoom('a'), await presence.getOnlineUsersInRoom('b')]).toEqual([[], ['u']]);
    expect(await service.refreshPresence('u', 'never', 'a')).toBe(false);
    expect(await service.refreshPresence('v', 's', 'a')).toBe(false);
  });

  test('ten thousand rooms of one socket', async () => {
    const rooms = Array.from({ length: 10_000 }, (_, i) => `r${i}`);
    // So many take about a second: what is answered at its deadline may be on its way still.
    const patient = await place.open({ commandTimeoutMs: 10_000 });
    expect(await patient.setPresence('u', 's', { roomId: rooms })).toBe(true);
    expect(await Promise.all(['r0', 'r9999'].map(patient.getOnlineUsersInRoom))).toEqual([['u'], ['u']]);
    expect(await patient.removePresence('u', 's')).toBe(true);
    expect((await Promise.all(rooms.map(patient.countOnlineUsersInRoom))).every((count) => count === 0)).toBe(true);
  });

  test('a room of twelve thousand is complete', async () => {
    const users = Array.from({ length: 12_000 }, (_, i) => `u${i}`);
    const set = (user, i) => presence.setPresence(user, `s${i}`, { roomId: 'r', i, name: `ä😀\0${i}` });
    // So few at a time are set well within a deadline: what is answered then may be on its way still.
    for (let at = 0; at < users.length; at += AT_ONCE) {
      await Promise.all(users.slice(at, at + AT_ONCE).map((user, i) => set(user, at + i)));
    }
    expect(await presence.getOnlineUsersInRoom('r')).toEqual([...users].sort());
    expect(await presence.countOnlineUsersInRoom('r')).toBe(12_000);
    const all = await presence.getRoomPresence('r');
    expect(all).toHaveLength(12_000);
    expect(all.every(({ userId, i, name }) => userId === `u${i}` && name === `ä😀\0${i}`)).toBe(true);
  });

  test('functions work without their object, and two prefixes are two worlds', async () => {
    const { setPresence, getOnlineUsersInRoom } = presence;
    await setPresence('u', 's', { roomId: 'r' });
    const { setOnline, getOnlineUsers } = new (await place.open()).PresenceService();
    expect(await getOnlineUsers('r')).toEqual([]);
    expect([await setOnline('v', 't', 'r'), await getOnlineUsers('r'), await getOnlineUsersInRoom('r')]).toEqual([true, ['v'], ['u']]);
  });
});

describe('presence on the server', () => {
  const place = usePlace(onRedis);
  let keyPrefix;
  let presence;

  beforeEach(async () => {
    keyPrefix = uniquePrefix();
    presence = await place.open({ keyPrefix });
  });

  const keys = async () => (await place.redis.command('KEYS', `${keyPrefix}presence-*`)).map((key) => key.slice(keyPrefix.length));

  test('case 38: the last one who leaves leaves no key of the room or the user', async () => {
    await presence.setPresence('u', 's', { roomId: ['r', 'q'] });
    await presence.setPresence('u', 't', { roomId: 'r' });
    await Promise.all(['s', 't'].map((socket) => presence.removePresence('u', socket)));
    expect((await keys()).filter((key) => !/^presence-(socket|seen|lives)/.test(key))).toEqual([]);
    const left = await Promise.all((await keys()).filter((key) => key !== 'presence-lives').map((key) => place.redis.command('PTTL', keyPrefix + key)));
    expect(left.every((ms) => ms > 0)).toBe(true);
  });

  test('reads cost no scan', async () => {
    await presence.setPresence('u', 's', { roomId: 'r' });
    await place.redis.command('CONFIG', 'RESETSTAT');
    await Promise.all([presence.getOnlineUsersInRoom('r'), presence.getRoomPresence('r'), presence.countOnlineUsersInRoom('r'), presence.isUserOnline('u'), presence.getUserPresence('u')]);
    const statistics = await place.redis.command('INFO', 'commandstats');
    expect(statistics).toMatch(/cmdstat_evalsha/);
    expect(statistics).not.toMatch(/cmdstat_(scan|keys|zscan|hgetall)/);
  });

  test('another process that sets, moves and removes a socket is heard at once', async () => {
    const other = await place.open({ keyPrefix });
    await presence.setPresence('u', 's', { roomId: 'r' });
    await other.setPresence('v', 's', { roomId: 'q' });
    expect(await presence.getOnlineUsersInRoom('r')).toEqual([]);
    expect([await presence.isUserOnline('u'), await presence.isUserOnline('v')]).toEqual([false, true]);
    await presence.removePresence('v', 's');
    expect(await other.isUserOnline('v')).toBe(false);
    expect(await new other.PresenceService().refreshPresence('v', 's', 'q')).toBe(false);
  });

  test('one of two processes that set a socket at the same time has it, alone', async () => {
    const other = await place.open({ keyPrefix });
    for (let round = 0; round < 100; round += 1) {
      const socket = `s${round}`;
      await Promise.all([presence.setPresence('a', socket, { roomId: ['r', 'p'] }), other.setPresence('b', socket, { roomId: ['r', 'q'] })]);
      const [a, b] = await Promise.all(['a', 'b'].map(async (user) => (await presence.getUserPresence(user)).some(({ socketId }) => socketId === socket)));
      expect([a, b].filter(Boolean)).toHaveLength(1);
      for (const [room, owners] of [['p', a ? ['a'] : []], ['q', b ? ['b'] : []], ['r', [a ? 'a' : 'b']]]) {
        const there = (await presence.getRoomPresence(room)).filter(({ socketId }) => socketId === socket);
        expect([room, there.map(({ userId }) => userId)]).toEqual([room, owners]);
      }
    }
  });
});

describe('wrong use of presence', () => {
  const LONG = 'x'.repeat(65537);
  const backplane = createBackplane({ url: NOBODY, logger: silent });
  const { setPresence } = backplane;
  const callback = () => {};

  afterAll(() => backplane.close());

  const ids = [[undefined, TypeError], [null, TypeError], [5, TypeError], [{}, TypeError], ['', RangeError], [LONG, RangeError], ['\ud800', RangeError]];
  const functions = {
    'setPresence userId': (id) => setPresence(id, 's'),
    'setPresence socketId': (id) => setPresence('u', id),
    'removePresence userId': (id) => backplane.removePresence(id, 's'),
    'removePresence socketId': (id) => backplane.removePresence('u', id),
    isUserOnline: backplane.isUserOnline,
    areUsersOnline: (id) => backplane.areUsersOnline(['u', id]),
    getUserPresence: backplane.getUserPresence,
    getLastSeen: backplane.getLastSeen,
    getOnlineUsersInRoom: backplane.getOnlineUsersInRoom,
    countOnlineUsersInRoom: backplane.countOnlineUsersInRoom,
    getRoomPresence: backplane.getRoomPresence,
    watchRoom: (id) => backplane.watchRoom(id, callback),
    'one of the rooms': (id) => setPresence('u', 's', { roomId: ['a', id] }),
  };

  test.each(Object.keys(functions))('%s rejects what is no id', async (name) => {
    for (const [id, kind] of ids) {
      const error = await functions[name](id).then(() => 'accepted', (reason) => reason);
      expect(error).toBeInstanceOf(kind);
      expect(error.code).toBe('E_INVALID_KEY');
    }
  });

  test.each([
    ['null', null],
    ['a string', 'r'],
    ['an array', []],
    ['a date', new Date()],
    ['a cycle', (() => { const cycle = {}; return Object.assign(cycle, { cycle }); })()],
    ['of ill-formed names', { roomId: 'r', '\ud800': 1 }],
    ['a BigInt inside', { n: 1n }],
    ['over 1 MiB', { text: 'x'.repeat(1024 * 1024) }],
    ['over 8 MiB in all rooms together', { roomId: rooms(1000), text: 'x'.repeat(500_000) }],
    ['just over 8 MiB in all rooms together', { roomId: rooms(17), text: 'x'.repeat(500_000) }],
    ['over 8 MiB of characters of more than one byte', { roomId: rooms(1000), text: 'é'.repeat(5000) }],
    ['a getter that throws', { get roomId() { throw new Error('no'); } }],
  ])('metadata that are %s are refused', async (_what, metadata) => {
    await expect(setPresence('u', 's', metadata)).rejects.toMatchObject({ code: 'E_INVALID_VALUE' });
  });

  test.each([[0], [-1], [NaN], [Infinity], [11 * 365 * 24 * 3600], ['5']])('a TTL of %p is refused', async (ttl) => {
    await expect(setPresence('u', 's', {}, ttl)).rejects.toMatchObject({ code: 'E_INVALID_TTL' });
  });

  test('what was refused has changed nothing', async () => {
    await setPresence('kept', 's', { roomId: 'r' });
    await expect(setPresence('kept', 's', { roomId: 5 })).rejects.toMatchObject({ code: 'E_INVALID_KEY' });
    await expect(setPresence('kept', 's', { toJSON: () => ({ roomId: '' }) })).rejects.toMatchObject({ code: 'E_INVALID_KEY' });
    await expect(setPresence('kept', 's', { roomId: 'q' }, 0)).rejects.toMatchObject({ code: 'E_INVALID_TTL' });
    expect(await backplane.getUserPresence('kept')).toMatchObject([{ roomId: 'r' }]);
  });

  test('no callback, no list, wrong options, and a backplane that is closed', async () => {
    await expect(backplane.watchRoom('r')).rejects.toMatchObject({ name: 'TypeError', code: 'E_INVALID_CALLBACK' });
    await expect(backplane.areUsersOnline('u')).rejects.toMatchObject({ name: 'TypeError', code: 'E_INVALID_KEY' });
    for (const presence of [5, null, { heartbeat: 'yes' }]) {
      await expect(createBackplane({ url: NOBODY, presence }).isUserOnline('u')).rejects.toMatchObject({ name: 'TypeError', code: 'E_INVALID_OPTION' });
    }
    const closed = createBackplane({ url: NOBODY, logger: silent });
    await closed.close();
    for (const call of [closed.setPresence('u', 's'), closed.isUserOnline('u'), closed.watchRoom('r', callback), closed.getRoomPresence('r')]) {
      await expect(call).rejects.toMatchObject({ code: 'E_CLOSED' });
    }
  });
});
