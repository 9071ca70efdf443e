'use strict';

const path = require('node:path');
const { startRedis, uniquePrefix } = require('./support');
const { useEnvironment } = require('./support/environment');
const { silent } = require('./support/places');
const { createBackplane } = require('..');

const PASSWORD = 'p@ss/w:rd? #%é';
const encoded = encodeURIComponent(PASSWORD);

useEnvironment();

let redis;
let socket;
const opened = [];

beforeAll(async () => {
  redis = await startRedis({ args: ({ dir }) => ['--unixsocket', path.join(dir, 'a socket.sock')] });
  socket = encodeURI(path.join(redis.dir, 'a socket.sock'));
  await redis.command('ACL', 'SETUSER', 'ann', 'on', `>${PASSWORD}`, '~*', '&*', '+@all');
  await redis.command('ACL', 'SETUSER', 'reader', 'on', `>${PASSWORD}`, '~*', '&*', '+@all', '-@write');
  await redis.command('ACL', 'SETUSER', 'narrow', 'on', `>${PASSWORD}`, '~cache:*', '&*', '+@all', '-@dangerous', '-@admin', '-client');
});

afterAll(() => redis.stop());

afterEach(async () => {
  for (const backplane of opened.splice(0)) await backplane.close();
});

async function open(options) {
  const backplane = createBackplane({ logger: silent, ...options });
  opened.push(backplane);
  await backplane.cacheGet('settled');
  return backplane;
}

/** A value set through the backplane is found by another client in that database. */
async function expectServed(backplane, { db = 0, user = 'default' } = {}) {
  expect(backplane.isRedisAvailable()).toBe(true);
  const key = uniquePrefix();
  await backplane.cacheSet(key, { a: 1 });
  expect(await backplane.cacheGet(key)).toEqual({ a: 1 });
  await redis.command('SELECT', db);
  const found = await redis.command('GET', `cache:${key}`);
  await redis.command('SELECT', 0);
  expect(found).toBe('{"a":1}');
  expect(await backplane.getClient().call('ACL', 'WHOAMI')).toBe(user);
}

describe('a Unix socket', () => {
  test('by its path', async () => expectServed(await open({ url: `unix://${socket}` })));
  test('with a database', async () => expectServed(await open({ url: `unix://${socket}?db=3` }), { db: 3 }));

  test('with user and password in the URL', async () =>
    expectServed(await open({ url: `unix://ann:${encoded}@${socket}?db=2` }), { db: 2, user: 'ann' }));

  test('with user and password as options', async () =>
    expectServed(await open({ url: `unix://${socket}`, username: 'ann', password: PASSWORD }), { user: 'ann' }));

  test('wins over host and port', async () => expectServed(await open({ url: `unix://${socket}`, host: 'nowhere.invalid', port: 1 })));

  test('from the environment', async () => {
    process.env.REDIS_URL = `unix://${socket}`;
    await expectServed(await open({}));
  });

  test('that is not there is an outage', async () => {
    const backplane = await open({ url: `unix://${socket}.not.there` });
    expect(backplane.isRedisAvailable()).toBe(false);
    expect(await backplane.cacheSet('k', 1)).toBe(true);
    expect(await backplane.cacheGet('k')).toBe(1);
  });
});

describe('a database', () => {
  test.each(['', '/', '/0', '/5', '/15'])('redis://…%s', async (suffix) => {
    await expectServed(await open({ url: `${redis.url}${suffix}` }), { db: Number(suffix.slice(1)) });
  });

  test('holds for pattern deletes and large values too', async () => {
    const keyPrefix = uniquePrefix();
    const [second, third] = [await open({ url: `${redis.url}/2`, keyPrefix }), await open({ url: `${redis.url}/3`, keyPrefix })];
    const large = 'x'.repeat(400_000);
    for (const one of [second, third]) await Promise.all([one.cacheSet('a', 1), one.cacheSet('b', large)]);
    expect(await second.cacheDeletePattern('*')).toBe(2);
    expect([await second.cacheGet('a'), await third.cacheGet('a')]).toEqual([null, 1]);
    expect((await third.cacheGet('b')) === large).toBe(true);
  });

  test('that the server does not have is an outage', async () => {
    const backplane = await open({ url: `${redis.url}/99` });
    expect(backplane.isRedisAvailable()).toBe(false);
    expect(await backplane.cacheSet('k', 1)).toBe(true);
  });
});

describe('a user', () => {
  test('of the ACL with a password', async () => {
    await expectServed(await open({ url: `redis://ann:${encoded}@127.0.0.1:${redis.port}/4` }), { user: 'ann', db: 4 });
    await expectServed(await open({ host: '127.0.0.1', port: redis.port, username: 'ann', password: PASSWORD }), { user: 'ann' });
  });

  test.each([
    ['a wrong password', { username: 'ann', password: 'wrong' }],
    ['no such user', { username: 'nobody', password: PASSWORD }],
  ])('%s is an outage', async (_what, login) => {
    const backplane = await open({ url: redis.url, ...login });
    expect(backplane.isRedisAvailable()).toBe(false);
    expect(await backplane.cacheSet('k', 1)).toBe(true);
    await expect(backplane.getClient().ping()).rejects.toMatchObject({ code: 'E_UNAVAILABLE' });
  });

  test('who may only read reads, and is told what was not kept', async () => {
    const key = uniquePrefix();
    await redis.command('SET', `cache:${key}`, '{"a":1}');
    const reader = await open({ url: redis.url, username: 'reader', password: PASSWORD });
    expect(await reader.cacheGet(key)).toEqual({ a: 1 });
    expect(await reader.cacheSet(key, 'new')).toBe(false);
    expect(await reader.cacheDelete(key)).toBe(false);
    expect(await reader.cacheGetOrSet(key, () => 'loaded')).toEqual({ a: 1 });
    expect(await reader.cacheGetOrSet(`${key}absent`, () => 'loaded')).toBe('loaded');
    expect(await redis.command('GET', `cache:${key}`)).toBe('{"a":1}');
  });

  test('who may do little else than needed is served', async () => {
    const narrow = await open({ url: redis.url, username: 'narrow', password: PASSWORD });
    const key = uniquePrefix();
    expect(narrow.isRedisAvailable()).toBe(true);
    expect(await narrow.cacheSet(key, 1)).toBe(true);
    expect(await narrow.cacheGetOrSet(key, () => 2)).toBe(1);
    expect(await narrow.cacheDeletePattern(`${key}*`)).toBe(1);
  });
});
