'use strict';

const { away, back, isReady, useStage } = require('../support/stage');

describe('sessions in an outage', () => {
  const stage = useStage();

  async function two(options) {
    const all = await stage.ready(options);
    const other = stage.backplane({ url: all.redis.url });
    await isReady(other);
    return { ...all, sessions: all.backplane.sessionCache, others: other.sessionCache };
  }

  it('away: sessions are kept here, and invalidated here', async () => {
    const all = await two();
    const { sessions } = all;
    await away(all);
    expect(await sessions.setSession('s', { email: 'a@x.com' })).toBe(true);
    expect(await sessions.setSession('t', { email: 'b@x.com' })).toBe(true);
    expect(await sessions.getSession('s')).toEqual({ email: 'a@x.com' });
    expect(await sessions.invalidateUserSessions('A@x.com')).toBe(1);
    expect([await sessions.getSession('s'), await sessions.getSession('t')]).toEqual([null, { email: 'b@x.com' }]);
    expect(await sessions.deleteSession('t')).toBe(true);
    expect(await sessions.getSession('t')).toBeNull();
  });

  it('back: what was set here is there for everybody, for the rest of its time, and can be found', async () => {
    const all = await two();
    const { sessions, others, redis } = all;
    await others.setSession('replaced', { email: 'old@x.com' });
    await others.setSession('deleted', { email: 'old@x.com' });
    await others.setSession('untouched', { email: 'old@x.com' });
    await away(all);
    await Promise.all(Array.from({ length: 500 }, (_, i) => sessions.setSession(`s${i}`, { userId: 'u', i }, 1000)));
    await sessions.setSession('replaced', { email: 'new@x.com' });
    await sessions.setSession('gone', { userId: 'u' });
    await sessions.deleteSession('gone');
    await sessions.deleteSession('deleted');
    await sessions.setSession('brief', { userId: 'u' }, 0.01);
    await back(all);
    expect(await others.getSession('s499')).toEqual({ userId: 'u', i: 499 });
    const ttl = await redis.command('TTL', 'session:s0');
    expect(ttl > 900 && ttl <= 1000).toBe(true);
    const there = await Promise.all(['replaced', 'gone', 'deleted', 'untouched', 'brief'].map((id) => others.getSession(id)));
    expect(there).toEqual([{ email: 'new@x.com' }, null, null, { email: 'old@x.com' }, null]);
    expect(await others.invalidateUserSessions('u')).toBe(500);
    expect(await others.invalidateUserSessions('old@x.com')).toBe(1);
    expect(await sessions.getSession('replaced')).toEqual({ email: 'new@x.com' });
  });

  it('back: the sessions of a user that was invalidated here are gone, the others\' too', async () => {
    const all = await two();
    const { sessions, others } = all;
    await others.setSession('theirs', { email: 'a@x.com' });
    await others.setSession('another', { email: 'b@x.com' });
    await away(all);
    await sessions.setSession('mine', { email: 'a@x.com' });
    expect(await sessions.invalidateUserSessions('a@x.com')).toBe(1);
    await sessions.setSession('later', { email: 'a@x.com' });
    await back(all);
    const there = await Promise.all(['theirs', 'mine', 'later', 'another'].map((id) => others.getSession(id)));
    expect(there).toEqual([null, null, { email: 'a@x.com' }, { email: 'b@x.com' }]);
  });
});
