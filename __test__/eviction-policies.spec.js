'use strict';

const { until } = require('./support');
const { onRedis } = require('./support/places');

jest.setTimeout(120_000);

const POLICIES = ['allkeys-lru', 'volatile-lru', 'allkeys-lfu', 'allkeys-random', 'volatile-ttl', 'volatile-random'];
const SOCKETS = 300;
const ROOMS = 30;
const MAX_BYTES = 6 * 1024 * 1024;
const VALUE = 'x'.repeat(2000);
/** Memory is full twice over when so many have been set. */
const VALUES = (2 * MAX_BYTES) / VALUE.length;
const AT_ONCE = 200;

const all = Array.from({ length: SOCKETS }, (_, i) => i);
const each = (call) => Promise.all(all.map(call));
const session = (i) => ({ email: `u${i}@x.com`, userId: `u${i}`, i });
const roomOf = (i) => `r${i % ROOMS}`;

/** One process with sockets and one without, on a server that is too small. */
async function open(policy) {
  const place = await onRedis({ args: ['--maxmemory', MAX_BYTES, '--maxmemory-policy', policy] });
  const [own, other] = [await place.open({ keyPrefix: 'p:' }), await place.open({ keyPrefix: 'p:' })];
  return { place, own, other };
}

/** At an ordinary load: everything is read now and then. */
async function fill({ own, other }) {
  for (let at = 0; at < VALUES; at += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => own.cacheSet(`fill:${at + i}`, VALUE)));
    if ((at / AT_ONCE) % 3 > 0) continue;
    await each((i) => (i % 2 ? own : other).sessionCache.getSession(`s${i}`));
    await each((i) => own.queryCache.get('q', { roomId: roomOf(i), i }));
    await Promise.all(Array.from({ length: ROOMS }, (_, i) => other.getOnlineUsersInRoom(`r${i}`)));
  }
}

const evictedKeys = async ({ redis }) => Number(/evicted_keys:(\d+)/.exec(await redis.command('INFO', 'stats'))[1]);

describe.each(POLICIES)('memory full twice over, %s', (policy) => {
  let opened;

  beforeAll(async () => {
    opened = await open(policy);
    const { own } = opened;
    await each((i) => own.sessionCache.setSession(`s${i}`, session(i), 3600));
    await each((i) => own.queryCache.set('q', { roomId: roomOf(i), i }, i, 3600));
    await each((i) => own.setPresence(`u${i}`, `s${i}`, { roomId: roomOf(i) }, 3600));
    await fill(opened);
    expect(await evictedKeys(opened.place)).toBeGreaterThan(1000);
  });

  afterAll(() => opened.place.end());

  test('no session of a user is read that was invalidated', async () => {
    const { own, other } = opened;
    const name = (i) => (i % 2 ? `u${i}@x.com` : `u${i}`);
    let alive = 0;
    for (const i of all) {
      const read = () => (i % 3 ? own : other).sessionCache.getSession(`s${i}`);
      const found = (await read()) ?? ((await own.sessionCache.setSession(`s${i}`, session(i), 3600)) && (await read()));
      if (found !== null) {
        alive += 1;
        expect(found).toEqual(session(i));
      }
      await (i % 3 ? other : own).sessionCache.invalidateUserSessions(name(i));
      const left = await Promise.all([own, other].map(({ sessionCache }) => sessionCache.getSession(`s${i}`)));
      expect([i, left]).toEqual([i, [null, null]]);
    }
    // Those that had been evicted were set again; few of them can have been evicted at once.
    expect(alive).toBeGreaterThan(SOCKETS / 2);
  });

  test('no result of a room is read that was invalidated', async () => {
    const { own, other } = opened;
    for (let room = 0; room < ROOMS; room += 1) await other.queryCache.invalidateRoom(`r${room}`);
    const left = await each((i) => own.queryCache.get('q', { roomId: roomOf(i), i }));
    expect(left).toEqual(all.map(() => null));
  });

  test('who is removed is in no room and not online', async () => {
    const { own, other } = opened;
    const told = { join: 0, leave: 0 };
    const sockets = new Set();
    await Promise.all(Array.from({ length: ROOMS }, (_, i) => other.watchRoom(`r${i}`, ({ type, socketId }) => {
      told[type] += 1;
      if (type === 'leave') sockets.add(socketId);
    })));
    expect(await each((i) => own.removePresence(`u${i}`, `s${i}`))).toEqual(all.map(() => true));
    for (const backplane of [own, other]) {
      const rooms = await Promise.all(Array.from({ length: ROOMS }, (_, i) => backplane.getRoomPresence(`r${i}`)));
      const users = await Promise.all(Array.from({ length: ROOMS }, (_, i) => backplane.getOnlineUsersInRoom(`r${i}`)));
      expect([...rooms.flat(), ...users.flat()]).toEqual([]);
      expect(await backplane.areUsersOnline(all.map((i) => `u${i}`))).toEqual(all.map(() => false));
    }
    // Nobody left twice.
    expect(told.leave).toBe(sockets.size);
  });

  test('a new session, socket and result is there, unless it is evicted at once', async () => {
    const { own, other } = opened;
    await until(async () => (await own.sessionCache.setSession('new', session(1))) && other.sessionCache.getSession('new'));
    await until(async () => (await own.setPresence('new', 'new', { roomId: 'new' })) && (await other.getOnlineUsersInRoom('new')).includes('new'));
    await until(async () => (await own.queryCache.set('new', {}, 1)) && (await other.queryCache.get('new')) === 1);
  });
});

test('sockets that were evicted are set again by their process', async () => {
  const opened = await open('allkeys-random');
  const { own, other, place } = opened;
  await each((i) => own.setPresence(`u${i}`, `s${i}`, { roomId: roomOf(i) }, 3600));
  await fill(opened);
  await place.redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  await place.redis.command('CONFIG', 'SET', 'maxmemory', 0);
  const isThere = async () => (await other.areUsersOnline(all.map((i) => `u${i}`))).every(Boolean);
  const count = async () => {
    const counts = await Promise.all(Array.from({ length: ROOMS }, (_, i) => other.countOnlineUsersInRoom(`r${i}`)));
    return counts.reduce((sum, one) => sum + one, 0);
  };
  await until(async () => (await isThere()) && (await count()) === SOCKETS, { timeoutMs: 40_000, everyMs: 200 });
  await place.end();
});
