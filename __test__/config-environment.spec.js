'use strict';

// What stands in the environment: what is read there, and that an operator's mistake takes no server down.

const { startRedis, until } = require('./support');
const { outcomeOf } = require('./support/deferred');
const { useEnvironment } = require('./support/environment');
const { quietLogger } = require('./support/log');
const { resultOf } = require('./support/program');
const { createBackplane } = require('..');

const SECRET = 'hunter2';
const setEnvironment = useEnvironment();

let redis;
let other;
const opened = [];

beforeAll(async () => {
  redis = await startRedis();
  other = await startRedis();
  await redis.command('ACL', 'SETUSER', 'ann', 'on', `>${SECRET}`, '~*', '&*', '+@all');
});

afterAll(async () => {
  await redis.stop();
  await other.stop();
});

afterEach(async () => {
  for (const backplane of opened.splice(0)) await backplane.close();
});

function open(options) {
  const log = quietLogger();
  const backplane = createBackplane({ logger: log, ...options });
  opened.push(backplane);
  return Object.assign(backplane, { log });
}

async function connectionOf(backplane) {
  await backplane.getClient().connect();
  const [, port] = await backplane.getClient().call('CONFIG', 'GET', 'port');
  const info = await backplane.getClient().call('CLIENT', 'INFO');
  return { port: Number(port), user: /user=(\S*)/.exec(info)[1], db: Number(/db=(\d+)/.exec(info)[1]) };
}

const expectConnection = async (options, expected) =>
  expect(await connectionOf(open(options))).toEqual({ user: 'default', db: 0, port: redis.port, ...expected });

describe('white space around a value is cut off', () => {
  test.each([' ', '\n', '\t', '\r\n', ' \n '])('%j', async (space) => {
    const around = (value) => space + value + space;
    setEnvironment({ REDIS_URL: around(`redis://ann:${SECRET}@127.0.0.1:${redis.port}/3`) });
    await expectConnection({}, { user: 'ann', db: 3 });
    delete process.env.REDIS_URL;
    const parts = { REDIS_HOST: '127.0.0.1', REDIS_PORT: String(redis.port), REDIS_USER: 'ann', REDIS_PASSWORD: SECRET, REDIS_DB: '2' };
    setEnvironment(Object.fromEntries(Object.entries(parts).map(([name, value]) => [name, around(value)])));
    await expectConnection({}, { user: 'ann', db: 2 });
  });

  test('and nothing else is as good as nothing', async () => {
    setEnvironment({ REDIS_URL: ' ', REDISHOST: '\n', REDISPORT: ' ', REDISUSER: ' ', REDIS_DB: ' ', REDIS_HOST: '127.0.0.1', REDIS_PORT: String(redis.port) });
    await expectConnection({}, {});
  });
});

describe('forms of a URL', () => {
  test.each([
    ['host:port', () => `127.0.0.1:${redis.port}`], ['host:port/db', () => `127.0.0.1:${redis.port}/4`, { db: 4 }],
    ['valkey://', () => `valkey://127.0.0.1:${redis.port}/1`, { db: 1 }], ['VALKEY://', () => `VALKEY://localhost:${redis.port}`],
    ['?db=', () => `redis://127.0.0.1:${redis.port}?db=3`, { db: 3 }], ['/?db=', () => `redis://127.0.0.1:${redis.port}/?db=3`, { db: 3 }],
    ['/db?db=, the same', () => `redis://127.0.0.1:${redis.port}/3?db=3`, { db: 3 }], ['?db= with nothing', () => `redis://127.0.0.1:${redis.port}?db=`],
    ['other words', () => `redis://127.0.0.1:${redis.port}/1?family=0&db=1`, { db: 1 }],
    ['a user', () => `valkey://ann:${SECRET}@127.0.0.1:${redis.port}`, { user: 'ann' }],
  ])('%s', async (_form, urlOf, expected = {}) => {
    await expectConnection({ url: urlOf() }, expected);
    setEnvironment({ REDIS_URL: urlOf() });
    await expectConnection({}, expected);
  });

  test('valkeys:// is TLS', async () => {
    const backplane = open({ url: `valkeys://127.0.0.1:${redis.port}`, connectTimeoutMs: 500 });
    await backplane.cacheGet('settled');
    expect(backplane.isRedisAvailable()).toBe(false);
  });
});

describe('the database', () => {
  test('of the option wins, then that of the URL, then REDIS_DB', async () => {
    setEnvironment({ REDIS_DB: '5' });
    const url = `redis://127.0.0.1:${redis.port}`;
    await expectConnection({ host: '127.0.0.1', port: redis.port }, { db: 5 });
    await expectConnection({ host: '127.0.0.1', port: redis.port, db: 0 }, { db: 0 });
    await expectConnection({ url: `${url}/3`, db: 4 }, { db: 4 });
    await expectConnection({ url: `${url}/3`, db: null }, { db: 3 });
    setEnvironment({ REDIS_URL: url });
    await expectConnection({}, { db: 5 });
    setEnvironment({ REDIS_URL: `${url}/0` });
    await expectConnection({}, { db: 0 });
  });
});

describe('several hosts', () => {
  const nobody = '127.0.0.1:1';

  test.each([
    ['the first is the one', () => `redis://127.0.0.1:${redis.port},${nobody}`], ['another is', () => `redis://${nobody},${nobody},127.0.0.1:${redis.port}`],
    ['with a name that does not exist', () => `redis://nowhere.invalid,127.0.0.1:${redis.port}`],
    ['without a scheme', () => `${nobody}, 127.0.0.1:${redis.port}`],
    ['with login and database', () => `redis://ann:${SECRET}@${nobody},127.0.0.1:${redis.port}/2`, { user: 'ann', db: 2 }],
  ])('are tried in turn: %s', async (_what, urlOf, expected = {}) => {
    const backplane = open({ url: urlOf() });
    expect(await backplane.cacheSet('k', 1)).toBe(true);
    expect(backplane.log.story).toEqual(['ready']);
    await expectConnection({ url: urlOf() }, expected);
  });

  test('are tried again, in turn, when one is gone', async () => {
    const first = await startRedis();
    const backplane = open({ url: `redis://127.0.0.1:${first.port},127.0.0.1:${other.port}` });
    try {
      expect((await connectionOf(backplane)).port).toBe(first.port);
      const heard = new Promise((resolve) => {
        backplane.getPubSub().subscribe('news', resolve);
      });
      await first.kill();
      const isThere = async () => (await outcomeOf(connectionOf(backplane))).value?.port === other.port;
      await until(isThere, { what: 'it is connected to the other' });
      await backplane.publish('news', 'from the other');
      expect(await heard).toBe('from the other');
    } finally {
      await first.stop();
    }
  });

  test('none of which is there are one outage', async () => {
    const backplane = open({ url: `redis://${nobody},127.0.0.1:2` });
    expect(await backplane.cacheSet('k', 1)).toBe(true);
    expect(await backplane.cacheGet('k')).toBe(1);
    expect(backplane.log.story).toEqual(['away']);
  });

  test('may be parts', async () => {
    setEnvironment({ REDIS_HOST: 'nowhere.invalid, 127.0.0.1', REDIS_PORT: String(redis.port) });
    await expectConnection({}, {});
  });
});

test.each([['REDIS_PORT', 'tcp'], ['REDISPORT', 'tcp'], ['REDIS_PORT', 'udp']])('%s with a link of Kubernetes counts as unset', async (name, protocol) => {
  setEnvironment({ REDIS_HOST: '127.0.0.1', REDISPORT: '', REDIS_PORT: String(redis.port), [name]: `${protocol}://10.0.0.1:6379` });
  const backplane = open({});
  expect((await outcomeOf(backplane.cacheSet('k', 1))).value).toBe(true);
  expect(backplane.log.text).not.toMatch(/10\.0\.0\.1|REDIS_?PORT/);
});

const MISTAKES = [
  ...[
    `http://ann:${SECRET}@h`, `redis://ann:${SECRET}@h:99999`, 'redis://h/x', SECRET, `"redis://ann:${SECRET}@h"`, "'redis://h'", 'disabled', 'none', 'h',
    `ann:${SECRET}@h:1`, 'redis//h', 'redis://h h', `redis://:p/${SECRET}@h:1`, 'redis://h?db=x', `redis://${SECRET}%zz@h`, 'h:1,h', 'redis://[::1',
  ].map((url) => ['REDIS_URL', { REDIS_URL: url }]),
  ...['0', '-1', '65536', '1.5', 'x', '0x10', '1e3', '+1', SECRET, '"6379"', 'http://h'].flatMap((port) => [
    ['REDISPORT', { REDISPORT: port }],
    ['REDIS_PORT', { REDIS_PORT: port }],
  ]),
  ...['a b', `redis://${SECRET}@h`, 'h:6379', '"h"', '/tmp/s', 'a,,b'].flatMap((host) => [
    ['REDISHOST', { REDISHOST: host }],
    ['REDIS_HOST', { REDIS_HOST: host }],
  ]),
  ...['x', '-1', '1.5', '"1"', '2147483648'].map((db) => ['REDIS_DB', { REDIS_DB: db }]),
  ['REDIS_DB', { REDIS_URL: 'redis://127.0.0.1:1', REDIS_DB: SECRET }],
];

describe('an operator’s mistake', () => {
  test.each(MISTAKES)('in %s: %j', async (name, variables) => {
    setEnvironment(variables);
    const backplane = open({});
    expect(await backplane.cacheSet('k', { a: 1 })).toBe(true);
    expect(await backplane.cacheGet('k')).toEqual({ a: 1 });
    expect(backplane.isRedisAvailable()).toBe(false);
    expect((await outcomeOf(backplane.getClient().ping())).code).toBe('E_UNAVAILABLE');
    const { status, reason } = await backplane.health();
    expect(status).toBe('degraded');
    expect(reason).toContain(name);
    expect(backplane.log.story).toEqual(['away']);
    expect(backplane.log.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    for (const told of [reason, backplane.log.text]) {
      expect(told).toContain(name);
      for (const value of Object.values(variables)) expect(told.replaceAll(/redis:\/\/, .*host:port/g, '')).not.toContain(value.length > 3 ? value : SECRET);
      expect(told).not.toContain(SECRET);
    }
  });

  test('every function works from memory, and all of it ends', async () => {
    setEnvironment({ REDIS_URL: 'disabled' });
    const backplane = open({});
    const heard = [];
    expect(await backplane.getPubSub().initialize()).toBe(false);
    expect(await backplane.getPubSub().subscribe('news', (data) => heard.push(data))).toBe(true);
    expect(await backplane.publish('news', 1)).toBe(1);
    expect(await backplane.setPresence('u', 's', { roomId: 'r' })).toBe(true);
    expect(await backplane.getOnlineUsersInRoom('r')).toEqual(['u']);
    expect(await backplane.acquireLock('l')).toBe(true);
    expect(await backplane.acquireLock('l')).toBe(false);
    expect((await backplane.checkRateLimit('k', 1)).source).toBe('memory');
    expect(await backplane.sessionCache.setSession('s', { userId: 'u' })).toBe(true);
    expect(await backplane.sessionCache.invalidateUserSessions('u')).toBe(1);
    expect(await backplane.cacheGetOrSet('k', () => 'loaded')).toBe('loaded');
    expect(heard).toEqual([1]);
    await backplane.close();
    expect((await outcomeOf(backplane.cacheGet('k'))).code).toBe('E_CLOSED');
  });

  test('is none when an option takes its place', async () => {
    setEnvironment({ REDIS_URL: 'http://nowhere', REDISPORT: 'x', REDISHOST: 'a b', REDIS_DB: 'x' });
    await expectConnection({ url: redis.url }, {});
    await expectConnection({ host: '127.0.0.1', port: redis.port, db: 1 }, { db: 1 });
  });

  test('does not hide one in the options', async () => {
    setEnvironment({ REDIS_URL: 'disabled' });
    expect((await outcomeOf(open({ port: 'x' }).cacheGet('k'))).code).toBe('E_INVALID_PORT');
    expect((await outcomeOf(open({ memory: 5 }).cacheGet('k'))).code).toBe('E_INVALID_OPTION');
  });

  test('is told on the console, and lets the process end', async () => {
    const { lines, ...answers } = await resultOf('mistaken.js', {}, { env: { REDIS_URL: `http://ann:${SECRET}@h` } });
    expect(answers).toEqual({ set: true, got: 1, status: 'degraded', isAvailable: false });
    expect(lines).toEqual([expect.stringContaining('REDIS_URL')]);
    expect(lines.join()).not.toContain(SECRET);
  });
});
