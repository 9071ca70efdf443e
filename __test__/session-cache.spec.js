'use strict';

const { until } = require('./support');
const { PLACES, onRedis, usePlace } = require('./support/places');

describe.each(PLACES)('sessions on %s', (_where, start) => {
  const place = usePlace(start);
  let sessions;

  beforeEach(async () => {
    ({ sessionCache: sessions } = await place.open());
  });

  test('a session is there until it is deleted or its time is over', async () => {
    expect(await sessions.getSession('s')).toBeNull();
    expect(await sessions.setSession('s', { email: 'a@x.com', name: 'A' })).toBe(true);
    expect(await sessions.getSession('s')).toEqual({ email: 'a@x.com', name: 'A' });
    expect(await sessions.deleteSession('s')).toBe(true);
    expect(await sessions.deleteSession('s')).toBe(true);
    expect(await sessions.getSession('s')).toBeNull();
    await sessions.setSession('s', { userId: 'u' }, 0.05);
    await until(async () => (await sessions.getSession('s')) === null);
    expect(await sessions.invalidateUserSessions('u')).toBe(0);
  });

  test('calls of one tick are carried out in their order', async () => {
    const calls = [
      sessions.setSession('s', { email: 'a@x.com' }), sessions.getSession('s'), sessions.deleteSession('s'), sessions.getSession('s'),
      sessions.setSession('s', { email: 'b@x.com' }), sessions.getSession('s'),
    ];
    expect(await Promise.all(calls)).toEqual([true, { email: 'a@x.com' }, true, null, true, { email: 'b@x.com' }]);
  });

  test('invalidating a user removes all of its sessions and nobody else\'s', async () => {
    for (let i = 0; i < 20; i++) {
      await sessions.setSession(`a${i}`, { email: 'a@x.com', userId: i % 2 ? 'A' : 1 });
      await sessions.setSession(`b${i}`, { email: 'b@x.com' });
    }
    await sessions.setSession('nobody', { name: 'a@x.com' });
    expect(await sessions.invalidateUserSessions('a@x.com')).toBe(20);
    for (let i = 0; i < 20; i++) {
      expect([await sessions.getSession(`a${i}`), await sessions.getSession(`b${i}`)]).toEqual([null, { email: 'b@x.com' }]);
    }
    expect(await sessions.getSession('nobody')).toEqual({ name: 'a@x.com' });
    expect(await sessions.invalidateUserSessions('a@x.com')).toBe(0);
  });

  test('a session is its email\'s and its id\'s, however they are written', async () => {
    await sessions.setSession('one', { email: 'A@x.com ', userId: 42 });
    await sessions.setSession('two', { email: ' a@X.com', userId: ' User-7 ' });
    await sessions.setSession('three', { userId: 'USER-7' });
    expect(await sessions.invalidateUserSessions('42')).toBe(1);
    expect(await sessions.invalidateUserSessions('\ta@x.COM')).toBe(1);
    expect(await sessions.invalidateUserSessions('user-7')).toBe(1);
    await sessions.setSession('four', { userId: 42 });
    expect(await sessions.invalidateUserSessions(42)).toBe(1);
  });

  test('what is kept tells whose it is, whatever object it came from', async () => {
    class User {
      constructor(email) {
        this.email = email;
      }
    }
    await sessions.setSession('instance', new User('a@x.com'));
    await sessions.setSession('own JSON', { email: 'other@x.com', toJSON: () => ({ email: 'a@x.com' }) });
    await sessions.setSession('list', ['a@x.com']);
    expect(await sessions.invalidateUserSessions('a@x.com')).toBe(2);
    expect(await sessions.getSession('list')).toEqual(['a@x.com']);
  });

  test.each([
    ['an object with toJSON', { userId: { toJSON: () => '64ab', toString: () => '64ab' } }, '64ab'],
    ['a boxed string', { email: new String(' Bob@x.com') }, 'bob@x.com'],
    ['a boxed number', { userId: new Number(7) }, 7],
    ['an object without prototype', Object.assign(Object.create(null), { userId: { toJSON: () => 77 } }), '77'],
    ['a date', { userId: new Date(0) }, new Date(0).toISOString()],
  ])('the owner of a session is what JSON makes of it: %s', async (_what, data, user) => {
    expect(await sessions.setSession('s', data)).toBe(true);
    expect(await sessions.invalidateUserSessions(user)).toBe(1);
    expect(await sessions.getSession('s')).toBeNull();
  });

  test.each([NaN, true, ['a'], { a: 1 }, { toJSON: () => undefined }])('%p owns no session', async (userId) => {
    await sessions.setSession('s', { userId });
    for (const user of [String(userId), 'null', 'undefined']) expect(await sessions.invalidateUserSessions(user)).toBe(0);
    expect(await sessions.getSession('s')).not.toBeNull();
  });

  test.each(['*', 'a*', '?', 'a:b', '{a}', '__proto__', 'constructor', '\0', 'x'.repeat(1000)])('the user %j is a user', async (user) => {
    await sessions.setSession('theirs', { userId: user });
    await sessions.setSession('mine', { userId: 'a' });
    expect(await sessions.invalidateUserSessions(user)).toBe(1);
    expect(await sessions.getSession('mine')).toEqual({ userId: 'a' });
  });

  test('case 30: a session that is set after the invalidation stays', async () => {
    await sessions.setSession('old', { email: 'a@x.com' });
    const removed = sessions.invalidateUserSessions('a@x.com');
    const kept = sessions.setSession('new', { email: 'a@x.com' });
    expect([await removed, await kept]).toEqual([1, true]);
    expect(await sessions.getSession('new')).toEqual({ email: 'a@x.com' });
    expect(await sessions.invalidateUserSessions('a@x.com')).toBe(1);
  });

  test('case 30: a socket id that is used again is its new user\'s', async () => {
    await sessions.setSession('s', { email: 'a@x.com' });
    await sessions.setSession('s', { email: 'b@x.com' });
    expect(await sessions.invalidateUserSessions('a@x.com')).toBe(0);
    expect(await sessions.getSession('s')).toEqual({ email: 'b@x.com' });
    await sessions.deleteSession('s');
    expect(await sessions.invalidateUserSessions('b@x.com')).toBe(0);
    await sessions.setSession('s', { email: 'c@x.com' });
    expect(await sessions.invalidateUserSessions('b@x.com')).toBe(0);
    expect(await sessions.getSession('s')).toEqual({ email: 'c@x.com' });
  });

  test('logins and invalidations at the same time: no session that nobody finds', async () => {
    for (let round = 0; round < 50; round++) {
      const calls = Array.from({ length: 20 }, (_, i) =>
        i % 5 === 4 ? sessions.invalidateUserSessions('u') : sessions.setSession(`s${i}`, { userId: 'u' }));
      await Promise.all(calls);
      await sessions.invalidateUserSessions('u');
      const left = await Promise.all(calls.map((_, i) => sessions.getSession(`s${i}`)));
      expect(left.filter(Boolean)).toEqual([]);
    }
  });

  test.each([
    ['E_INVALID_KEY', (cache) => cache.getSession('')],
    ['E_INVALID_KEY', (cache) => cache.setSession(null, {})],
    ['E_INVALID_KEY', (cache) => cache.deleteSession({})],
    ['E_INVALID_KEY', (cache) => cache.invalidateUserSessions('  ')],
    ['E_INVALID_KEY', (cache) => cache.invalidateUserSessions()],
    ['E_INVALID_VALUE', (cache) => cache.setSession('s', undefined)],
    ['E_INVALID_VALUE', (cache) => cache.setSession('s', { email: 'x'.repeat(70_000) })],
    ['E_INVALID_TTL', (cache) => cache.setSession('s', {}, -1)],
  ])('%s: %s', async (code, call) => {
    await sessions.setSession('s', { stays: true });
    await expect(call(sessions)).rejects.toMatchObject({ code });
    expect(await sessions.getSession('s')).toEqual({ stays: true });
  });
});

test('the index of a user expires with its sessions', async () => {
  const place = await onRedis();
  const { sessionCache } = await place.open({ keyPrefix: 'p:' });
  for (let i = 0; i < 100; i++) await sessionCache.setSession(`s${i}`, { email: 'a@x.com', userId: 'u' }, 50 + i);
  await sessionCache.setSession('s0', { email: 'a@x.com', userId: 'u' }, 20);
  const ttls = await Promise.all(['s1', 's99'].map((id) => place.redis.command('TTL', `p:session:${id}`)));
  expect(ttls.map((ttl) => Math.round(ttl / 10))).toEqual([5, 15]);
  for (const user of ['a@x.com', 'u']) {
    expect(await place.redis.command('TTL', `p:session-user:${user}`)).toBeGreaterThan(140);
    // Its version stands there as well.
    expect(await place.redis.command('ZCARD', `p:session-user:${user}`)).toBe(101);
  }
  expect(await sessionCache.invalidateUserSessions('u')).toBe(100);
  expect(await sessionCache.invalidateUserSessions('a@x.com')).toBe(0);
  expect(await place.redis.command('KEYS', 'p:*')).toEqual([]);
  await place.end();
});
