'use strict';

const { until } = require('../support');
const { isReady, useStage } = require('../support/stage');

/** More than any of these calls takes. */
const MOST_STEPS = 6;
const STEPS = Array.from({ length: MOST_STEPS }, (_, i) => i + 1);

// What takes several steps on Redis may be cut off behind each of them: its answer is lost, whether the
// connection comes back at once or not. What the call promises holds afterwards all the same.
describe.each([
  ['comes back at once', false],
  ['stays away for a while', true],
])('a call that is cut off between its steps; Redis %s', (_what, isOutage) => {
  const stage = useStage();

  async function two() {
    const { backplane, proxy, redis } = await stage.ready();
    const other = stage.backplane({ url: redis.url });
    await isReady(other);
    return { backplane, proxy, redis, other };
  }

  /** Makes a call and loses the answer of one of its steps. */
  async function cutAt(step, { backplane, proxy }, call) {
    let replies = 0;
    proxy.onReply(() => {
      replies += 1;
      if (replies !== step) return undefined;
      if (isOutage) proxy.refuse();
      proxy.cut();
      return null;
    });
    const answer = await call();
    proxy.onReply(() => {});
    proxy.flow();
    await proxy.accept();
    await isReady(backplane);
    return answer;
  }

  it.each(STEPS)('after step %i, sessions of a user that was invalidated are gone', async (step) => {
    const all = await two();
    const { sessionCache } = all.backplane;
    await sessionCache.setSession('warm', { userId: 'nobody' });
    await sessionCache.invalidateUserSessions('nobody');
    await sessionCache.setSession('s1', { userId: 'ada' });
    await sessionCache.setSession('s2', { userId: 'ada' });
    await cutAt(step, all, () => sessionCache.invalidateUserSessions('ada'));
    const sessions = ['s1', 's2'].map((id) => all.other.sessionCache.getSession(id));
    expect(await Promise.all(sessions)).toEqual([null, null]);
    await sessionCache.setSession('s3', { userId: 'ada' });
    expect(await all.other.sessionCache.invalidateUserSessions('ada')).toBe(1);
    expect(await all.redis.command('KEYS', '*invalidated:*')).toEqual([]);
  });

  it.each(STEPS)('after step %i, a socket that was removed is in none of its rooms', async (step) => {
    const all = await two();
    const { backplane, other } = all;
    await backplane.setPresence('warm', 'w', { roomId: 'elsewhere' });
    await backplane.removePresence('warm', 'w');
    await backplane.setPresence('ada', 's', { roomId: ['a', 'b'] });
    expect(await cutAt(step, all, () => backplane.removePresence('ada', 's'))).toBe(true);
    const rooms = ['a', 'b'].flatMap((room) => [other.getOnlineUsersInRoom(room), other.getRoomPresence(room)]);
    expect(await Promise.all(rooms)).toEqual([[], [], [], []]);
    expect(await other.isUserOnline('ada')).toBe(false);
  });

  it.each(STEPS)('after step %i, a socket that has moved is where it went, and nowhere else', async (step) => {
    const all = await two();
    const { backplane, other } = all;
    await backplane.setPresence('ada', 's', { roomId: ['a', 'b'] });
    expect(await cutAt(step, all, () => backplane.setPresence('ada', 's', { roomId: ['b', 'c'] }))).toBe(true);
    // What was set in an outage is set again afterwards.
    const find = () => Promise.all(['a', 'b', 'c'].map((room) => other.getOnlineUsersInRoom(room)));
    const isThere = async () => JSON.stringify(await find()) === JSON.stringify([[], ['ada'], ['ada']]);
    await until(isThere, { what: 'ada is in b and c alone' });
  });
});
