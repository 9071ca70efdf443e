'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { until } = require('../support');
const { away, back, isAway, isReady, useStage, wasAway } = require('../support/stage');

/** For who is missing after an outage to be told as having left. */
const GRACE_MS = 5000;
const AT_ONCE = 50;
const heartbeat = { presence: { heartbeat: true } };

describe.each([
  ['with a TTL', {}],
  ['with a heartbeat', heartbeat],
])('presence %s in an outage', (_how, options) => {
  const stage = useStage();

  /** A process, and another one that sees Redis all the time and watches the room. */
  async function two() {
    const all = await stage.ready(options);
    const other = stage.backplane({ url: all.redis.url, ...options });
    await isReady(other);
    const told = [];
    await other.watchRoom('r', ({ type, userId }) => told.push(`${type} ${userId}`));
    return { ...all, other, told };
  }

  it('away: this process has its own sockets, and changes them', async () => {
    const all = await two();
    const { backplane, other } = all;
    await other.setPresence('theirs', 't', { roomId: 'r' });
    await backplane.setPresence('mine', 'm', { roomId: 'r', n: 1 });
    const own = [];
    await backplane.watchRoom('r', ({ type, userId }) => own.push(`${type} ${userId}`));
    await away(all);
    expect(await backplane.getOnlineUsersInRoom('r')).toEqual(['mine']);
    expect(await backplane.areUsersOnline(['mine', 'theirs'])).toEqual([true, false]);
    expect(await backplane.getUserPresence('mine')).toMatchObject([{ n: 1, roomId: 'r' }]);
    expect(await backplane.setPresence('new', 'n', { roomId: 'r' })).toBe(true);
    expect(await backplane.setPresence('mine', 'm', { roomId: 'q' })).toBe(true);
    expect(await backplane.removePresence('new', 'n')).toBe(true);
    expect([await backplane.countOnlineUsersInRoom('r'), await backplane.getOnlineUsersInRoom('q')]).toEqual([0, ['mine']]);
    expect(await backplane.getLastSeen('new')).toEqual(expect.any(Number));
    await until(() => own.length === 3);
    expect(own).toEqual(['join new', 'leave mine', 'leave new']);
  });

  it('back: what was done meanwhile is so for everybody, told once', async () => {
    const all = await two();
    const { backplane, other, told } = all;
    for (const user of ['stays', 'goes', 'moves']) await backplane.setPresence(user, user, { roomId: 'r' });
    await until(() => told.length === 3);
    await away(all);
    await backplane.removePresence('goes', 'goes');
    await backplane.setPresence('moves', 'moves', { roomId: 'q' });
    await backplane.setPresence('comes', 'comes', { roomId: 'r' });
    await back(all);
    expect(await backplane.getOnlineUsersInRoom('r')).toEqual(['comes', 'stays']);
    expect(await other.isUserOnline('goes')).toBe(false);
    await until(async () => (await other.countOnlineUsersInRoom('r')) === 2 && (await other.isUserOnline('comes')), { timeoutMs: 3000 });
    expect(await other.getOnlineUsersInRoom('q')).toEqual(['moves']);
    await until(() => told.length === 6);
    await sleep(GRACE_MS + 1000);
    expect(told.slice(0, 3)).toEqual(['join stays', 'join goes', 'join moves']);
    expect(told.slice(3).sort()).toEqual(['join comes', 'leave goes', 'leave moves']);
  });

  it('case 37: Redis is killed and comes back empty: all are there again, and nobody leaves or joins', async () => {
    const all = await two();
    const { redis, backplane, other, told } = all;
    const users = Array.from({ length: 500 }, (_, i) => `u${i}`);
    await Promise.all(users.map((user, i) => (i % 2 ? backplane : other).setPresence(user, user, { roomId: 'r' })));
    await until(() => told.length === users.length);
    await redis.kill();
    await Promise.all([backplane, other].map(isAway));
    expect(await backplane.countOnlineUsersInRoom('r')).toBe(250);
    await redis.restart();
    await Promise.all([backplane, other].map(isReady));
    for (const one of [backplane, other]) {
      expect(await one.countOnlineUsersInRoom('r')).toBeGreaterThanOrEqual(250);
      await until(async () => (await one.countOnlineUsersInRoom('r')) === 500, { timeoutMs: 3000 });
    }
    await sleep(GRACE_MS + 1000);
    expect(told).toHaveLength(users.length);
    expect(await other.getOnlineUsersInRoom('r')).toEqual([...users].sort());
  });

  it('a running Redis that is emptied: the own sockets are told throughout, and nobody leaves', async () => {
    const all = await two();
    const { redis, backplane, other, told } = all;
    await backplane.setPresence('mine', 'm', { roomId: 'r' });
    await other.setPresence('theirs', 't', { roomId: 'r' });
    await until(() => told.length === 2);
    for (let round = 0; round < 3; round += 1) {
      await redis.command('FLUSHALL');
      expect(await backplane.isUserOnline('mine')).toBe(true);
      await until(async () => (await backplane.countOnlineUsersInRoom('r')) === 2, { timeoutMs: 3000 });
      expect(await other.getOnlineUsersInRoom('r')).toEqual(['mine', 'theirs']);
    }
    await sleep(GRACE_MS + 1000);
    expect(told).toEqual(['join mine', 'join theirs']);
  });

  it('a running Redis that is emptied as this process looks at its sockets: who is set again is found by the others', async () => {
    const { redis, proxy, backplane, other } = await two();
    await backplane.setPresence('mine', 'm', { roomId: 'r' });
    let emptied;
    proxy.onRequest((chunk) => {
      if (emptied || !chunk.includes('HSTRLEN')) return;
      proxy.stall();
      emptied = redis.command('FLUSHALL').finally(() => proxy.flow());
    });
    await until(() => emptied);
    await emptied;
    await until(async () => (await redis.command('ZCARD', 'presence-room:r')) > 0, { everyMs: 0 });
    expect([await other.isUserOnline('mine'), await other.getOnlineUsersInRoom('r')]).toEqual([true, ['mine']]);
  });

  it.each([1, 2, 3, 4])('a Redis that is emptied after step %i of setting a socket: nobody leaves', async (step) => {
    const { redis, proxy, backplane, other, told } = await two();
    await backplane.setPresence('mine', 'm', { roomId: 'r' });
    await until(() => told.length === 1);
    let replies = 0;
    let emptied;
    proxy.onReply(() => {
      replies += 1;
      if (replies !== step) return;
      proxy.stall();
      emptied = redis.command('FLUSHALL').finally(() => proxy.flow());
    });
    expect(await backplane.setPresence('mine', 'm', { roomId: 'r' })).toBe(true);
    await until(() => emptied);
    await emptied;
    expect(await backplane.isUserOnline('mine')).toBe(true);
    await until(() => other.isUserOnline('mine'), { timeoutMs: 3000 });
    await until(async () => (await other.countOnlineUsersInRoom('r')) === 1, { timeoutMs: 3000 });
    // What was told before is heard before.
    await other.setPresence('last', 'l', { roomId: 'r' });
    await until(() => told.includes('join last'));
    expect(told).toEqual(['join mine', 'join last']);
  });

  it('sockets that are being set again when the connection is cut, over and over, are all there in the end', async () => {
    const all = await two();
    const { redis, proxy, backplane, other } = all;
    const users = Array.from({ length: 1000 }, (_, i) => `u${i}`);
    // So few at a time are set well within a deadline, however busy the machine is.
    for (let at = 0; at < users.length; at += AT_ONCE) {
      await Promise.all(users.slice(at, at + AT_ONCE).map((user) => backplane.setPresence(user, user, { roomId: 'r' })));
    }
    for (let round = 0; round < 4; round += 1) {
      await redis.command('FLUSHALL');
      backplane.isUserOnline('u0');
      // In the midst of the parts that are set again.
      await until(async () => (await redis.command('ZCARD', 'presence-room:r')) > 0, { everyMs: 0 });
      proxy.cut();
      await isReady(backplane);
    }
    await until(async () => (await other.countOnlineUsersInRoom('r')) === users.length, { timeoutMs: 20_000 });
    expect(await backplane.getOnlineUsersInRoom('r')).toEqual([...users].sort());
  });

  it('what another process did with a socket meanwhile stays so', async () => {
    const all = await two();
    const { backplane, other } = all;
    for (const socket of ['taken', 'removed']) await backplane.setPresence('u', socket, { roomId: 'r' });
    await away(all);
    await other.setPresence('v', 'taken', { roomId: 'q' });
    await other.removePresence('u', 'removed');
    await back(all);
    await until(async () => !(await backplane.isUserOnline('u')), { timeoutMs: 3000 });
    await sleep(1500);
    for (const one of [backplane, other]) {
      expect([await one.isUserOnline('u'), await one.getOnlineUsersInRoom('r'), await one.getOnlineUsersInRoom('q')]).toEqual([false, [], ['v']]);
    }
  });

  it('a short silence of the server takes nobody away', async () => {
    const all = await two();
    const { redis, backplane, other, told } = all;
    await backplane.setPresence('mine', 'm', { roomId: 'r' });
    await until(() => told.length === 1);
    redis.pause();
    await Promise.all([backplane, other].map((one) => wasAway(one, 1)));
    expect(await backplane.isUserOnline('mine')).toBe(true);
    redis.resume();
    await Promise.all([backplane, other].map(isReady));
    await until(() => other.isUserOnline('mine'), { timeoutMs: 3000 });
    await sleep(GRACE_MS + 1000);
    expect(told).toEqual(['join mine']);
  });
});

describe('presence that ends during an outage', () => {
  const stage = useStage();

  it('ends here by its TTL, is told so, and does not come back', async () => {
    const { proxy, backplane } = await stage.ready();
    const told = [];
    await backplane.watchRoom('r', ({ type, userId }) => told.push(`${type} ${userId}`));
    await backplane.setPresence('short', 's', { roomId: 'r' }, 1);
    await backplane.setPresence('long', 'l', { roomId: 'r' }, 60);
    await until(() => told.length === 2);
    proxy.refuse();
    proxy.cut();
    await isAway(backplane);
    await until(async () => (await backplane.countOnlineUsersInRoom('r')) === 1);
    await until(() => told.includes('leave short'));
    proxy.flow();
    await proxy.accept();
    await isReady(backplane);
    await sleep(1500);
    expect(await backplane.getOnlineUsersInRoom('r')).toEqual(['long']);
    expect(told).toEqual(['join short', 'join long', 'leave short']);
  });

  it('without any Redis from the start it is there for this process, and on Redis when that comes', async () => {
    const { redis, proxy } = await stage.ready();
    proxy.refuse();
    const backplane = stage.backplane({ url: proxy.url });
    expect(await backplane.setPresence('u', 's', { roomId: 'r' }, 60)).toBe(true);
    expect(await backplane.getOnlineUsersInRoom('r')).toEqual(['u']);
    await proxy.accept();
    await isReady(backplane);
    const other = stage.backplane({ url: redis.url });
    await until(() => other.isUserOnline('u'), { timeoutMs: 3000 });
    expect((await other.getRoomPresence('r')).map(({ userId }) => userId)).toEqual(['u']);
  });
});
