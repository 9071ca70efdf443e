'use strict';

const { uniquePrefix } = require('./support');
const { onRedis, usePlace } = require('./support/places');
const { away, back, useStage } = require('./support/stage');

const DATA = { email: 'A@x.com', userId: 7 };

describe('sessions whose users Redis has forgotten', () => {
  const place = usePlace(onRedis);
  let keyPrefix;
  let setter;
  let reader;

  beforeEach(async () => {
    keyPrefix = uniquePrefix();
    [setter, reader] = [await place.open({ keyPrefix }), await place.open({ keyPrefix })];
    expect(await setter.sessionCache.setSession('s', DATA)).toBe(true);
    expect(await setter.sessionCache.setSession('other', { email: 'b@x.com' })).toBe(true);
  });

  const evict = (user) => place.redis.command('UNLINK', `${keyPrefix}session-user:${user}`);
  const read = () => Promise.all([setter, reader].map(({ sessionCache }) => sessionCache.getSession('s')));

  test.each([[['a@x.com']], [['7']], [['a@x.com', '7']]])('without the index of %j a session is not there any more, for anybody', async (users) => {
    expect(await read()).toEqual([DATA, DATA]);
    for (const user of users) await evict(user);
    expect(await read()).toEqual([null, null]);
    // Nor when its user has an index again.
    await setter.sessionCache.setSession('t', DATA);
    expect(await read()).toEqual([null, null]);
    expect(await reader.sessionCache.getSession('t')).toEqual(DATA);
    expect(await reader.sessionCache.getSession('other')).toEqual({ email: 'b@x.com' });
    expect(await reader.sessionCache.invalidateUserSessions('a@X.com')).toBe(users.includes('a@x.com') ? 1 : 2);
    expect(await setter.sessionCache.setSession('s', DATA)).toBe(true);
    expect(await read()).toEqual([DATA, DATA]);
  });

  test('a process that has not read it before finds that out as well', async () => {
    await evict('7');
    expect(await reader.sessionCache.getSession('s')).toBeNull();
  });

  test('what remains of an invalidated index may be evicted, too', async () => {
    await setter.sessionCache.invalidateUserSessions('b@x.com');
    for (const key of await place.redis.command('KEYS', `${keyPrefix}invalidated:*`)) await place.redis.command('UNLINK', key);
    expect(await reader.sessionCache.getSession('other')).toBeNull();
  });

  test('an index lasts longer than its sessions', async () => {
    for (const ttl of [0.05, 1, 300]) {
      await setter.sessionCache.setSession('s', DATA, ttl);
      const session = await place.redis.command('PTTL', `${keyPrefix}session:s`);
      for (const user of ['a@x.com', '7']) expect(await place.redis.command('PTTL', `${keyPrefix}session-user:${user}`)).toBeGreaterThan(session);
    }
  });

  test('a session of nobody needs no index, and one that becomes somebody\'s does', async () => {
    await setter.sessionCache.setSession('s', { name: 'nobody' });
    expect(await read()).toEqual([{ name: 'nobody' }, { name: 'nobody' }]);
    await reader.sessionCache.setSession('s', { userId: 'c' });
    expect(await read()).toEqual([{ userId: 'c' }, { userId: 'c' }]);
    await evict('c');
    expect(await read()).toEqual([null, null]);
  });

  test('names of users are told apart from what follows, whatever they hold', async () => {
    const hostile = ['1:a', '3:x', '{"a":1}', ':', '\0', 'é😀', '0', '16', '1234567890123456:{}'];
    for (const email of hostile) {
      for (const userId of hostile) {
        await setter.sessionCache.setSession('s', { email, userId });
        expect(await read()).toEqual([{ email, userId }, { email, userId }]);
      }
    }
    expect(await reader.sessionCache.invalidateUserSessions('1:a')).toBe(0);
    expect(await reader.sessionCache.invalidateUserSessions(hostile.at(-1))).toBe(1);
    expect(await read()).toEqual([null, null]);
  });

  test('a session as the first release wrote it is a miss, as is garbage', async () => {
    const version = '5512345678901234';
    await place.redis.command('ZADD', `${keyPrefix}session-user:c`, `-${version}`, '');
    for (const stored of [`${version}:{"userId":"c"}`, `${version}:1:c`, `${version}:9:c{}`, `${version}x:1:c{}`, '{}', ':', '1:c{}', `${version}${version}:1:c{}`]) {
      await place.redis.command('SET', `${keyPrefix}session:s`, stored);
      expect([stored, await read()]).toEqual([stored, [null, null]]);
    }
    await place.redis.command('SET', `${keyPrefix}session:s`, `${version}:1:c{"userId":"c"}`);
    expect(await read()).toEqual([{ userId: 'c' }, { userId: 'c' }]);
  });

  test('a large session', async () => {
    const large = { ...DATA, text: 'x'.repeat(400_000) };
    await setter.sessionCache.setSession('s', large);
    expect((await read()).map(({ text }) => text.length)).toEqual([400_000, 400_000]);
    await evict('a@x.com');
    expect(await read()).toEqual([null, null]);
  });

  test('sets, reads and lost indexes at the same time: nothing is read that an invalidation was to end', async () => {
    for (let round = 0; round < 30; round += 1) {
      const calls = Array.from({ length: 20 }, (_, i) => [
        () => setter.sessionCache.setSession(`s${i}`, { userId: 'u' }),
        () => evict('u'),
        () => reader.sessionCache.getSession(`s${i}`),
      ][(i + round) % 3]());
      await Promise.all(calls);
      await reader.sessionCache.invalidateUserSessions('u');
      const left = await Promise.all(calls.map((_, i) => [setter, reader][i % 2].sessionCache.getSession(`s${i}`)));
      expect(left.filter(Boolean)).toEqual([]);
    }
  });
});

describe('sessions that are read', () => {
  const stage = useStage();

  /** How often something about sessions is sent. */
  async function exchanges(proxy, call) {
    let count = 0;
    proxy.onRequest((chunk) => {
      count += chunk.includes('session') ? 1 : 0;
    });
    await call();
    proxy.onRequest(() => {});
    return count;
  }

  it('cost one exchange where it is known whose they are, and one more the first time', async () => {
    const { redis, proxy, backplane } = await stage.ready();
    const other = stage.backplane({ url: redis.url });
    await backplane.sessionCache.setSession('s', DATA);
    await other.sessionCache.setSession('t', DATA);
    const get = (id) => exchanges(proxy, async () => expect(await backplane.sessionCache.getSession(id)).toEqual(DATA));
    expect([await get('s'), await get('s'), await get('t'), await get('t')]).toEqual([1, 1, 2, 1]);
  });

  it('that were set in an outage can be ended in it and after it', async () => {
    const all = await stage.ready();
    const { backplane, redis } = all;
    await away(all);
    await backplane.sessionCache.setSession('s', DATA);
    await backplane.sessionCache.setSession('t', DATA);
    expect(await backplane.sessionCache.getSession('s')).toEqual(DATA);
    await back(all);
    expect(await backplane.sessionCache.getSession('s')).toEqual(DATA);
    await redis.command('UNLINK', 'session-user:7');
    expect(await backplane.sessionCache.getSession('t')).toBeNull();
  });
});
