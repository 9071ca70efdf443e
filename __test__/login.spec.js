'use strict';

const net = require('node:net');
const { listenOnFreePort } = require('../scripts/free-port');
const { startRedis, until } = require('./support');
const { outcomeOf } = require('./support/deferred');
const { useEnvironment } = require('./support/environment');
const { quietLogger } = require('./support/log');
const { resultOf } = require('./support/program');
const { createBackplane } = require('..');

const SECRET = 'hunter2';

useEnvironment();

let redis;
const closers = [];

beforeAll(async () => {
  redis = await startRedis();
  await redis.command('ACL', 'SETUSER', 'open', 'on', 'nopass', '~*', '&*', '+@all');
  await redis.command('ACL', 'SETUSER', 'ann', 'on', `>${SECRET}`, '~*', '&*', '+@all', '-select');
});

afterAll(() => redis.stop());

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const base = () => ({ host: '127.0.0.1', port: redis.port });

/** A backplane whose first attempt has come to its outcome. */
async function open(options) {
  const logger = quietLogger();
  const backplane = createBackplane({ logger, connectTimeoutMs: 1000, ...options });
  closers.push(() => backplane.close());
  await backplane.cacheGet('settled');
  return Object.assign(backplane, { log: logger });
}

async function expectServed(backplane, user) {
  expect(backplane.isRedisAvailable()).toBe(true);
  expect(await backplane.cacheSet('k', 1)).toBe(true);
  expect(await backplane.cacheGet('k')).toBe(1);
  if (user) expect(await backplane.getClient().call('ACL', 'WHOAMI')).toBe(user);
}

/** Away, and everything but raw commands works from memory. */
async function expectAway(backplane) {
  expect(backplane.isRedisAvailable()).toBe(false);
  expect((await outcomeOf(backplane.getClient().ping())).code).toBe('E_UNAVAILABLE');
  expect(await backplane.cacheSet('k', 2)).toBe(true);
  expect(await backplane.cacheGet('k')).toBe(2);
  expect(backplane.log.story).toEqual(['away']);
}

const isTaken = async (backplane) => {
  const heard = [];
  const subscribed = await backplane.getPubSub().subscribe('news', (data) => heard.push(data));
  expect(subscribed).toBe(true);
  await backplane.publish('news', 1);
  await until(() => heard.length === 1, { what: 'the subscriber hears' });
};

/**
 * Before a server stands one that answers AUTH as Redis 5 does: it knows no users, and refuses a password
 * unless it has one.
 */
async function startOld(password) {
  const commands = [];
  const server = net.createServer((client) => {
    const upstream = net.connect(redis.port, '127.0.0.1');
    for (const socket of [client, upstream]) socket.on('error', () => {}).on('close', () => [client, upstream].forEach((one) => one.destroy()));
    upstream.pipe(client);
    client.on('data', (bytes) => {
      const words = bytes.toString().split('\r\n').filter((_, i) => i % 2 === 0).slice(1);
      if (!/^auth$/i.test(words[0])) return upstream.write(bytes);
      commands.push(words);
      if (words.length !== 2) return client.write("-ERR wrong number of arguments for 'auth' command\r\n");
      if (password === undefined) return client.write('-ERR Client sent AUTH, but no password is set\r\n');
      return client.write(words[1] === password ? '+OK\r\n' : '-ERR invalid password\r\n');
    });
  });
  await listenOnFreePort(server);
  closers.push(() => new Promise((resolve) => server.close(resolve)));
  return { host: '127.0.0.1', port: server.address().port, commands };
}

describe('the first database needs no SELECT', () => {
  test('whoever may not select is served', async () => {
    const backplane = await open({ ...base(), username: 'ann', password: SECRET });
    await expectServed(backplane, 'ann');
    await isTaken(backplane);
  });

  test('nobody sends one, on no connection', async () => {
    await redis.command('CONFIG', 'RESETSTAT');
    const backplane = await open(base());
    await expectServed(backplane);
    await backplane.cacheSet('large', 'x'.repeat(400_000));
    expect(await redis.command('INFO', 'commandstats')).not.toContain('cmdstat_select');
  });

  test('another database that may not be selected is an outage', async () => {
    await expectAway(await open({ url: `redis://ann:${SECRET}@127.0.0.1:${redis.port}/1` }));
  });
});

describe('a password that the server does not need', () => {
  test('works, with one line', async () => {
    const backplane = await open({ ...base(), password: SECRET });
    await expectServed(backplane, 'default');
    await isTaken(backplane);
    await backplane.cacheSet('large', 'x'.repeat(400_000));
    expect(backplane.log.story).toHaveLength(2);
    expect(backplane.log.story).toContain('ready');
    expect(backplane.log.text).not.toContain(SECRET);
  });

  test('is one that it needs, later', async () => {
    const backplane = await open({ ...base(), password: SECRET });
    await redis.command('CONFIG', 'SET', 'requirepass', 'another');
    try {
      await redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await until(() => backplane.getClient().status === 'reconnecting', { what: 'it is refused' });
    } finally {
      await redis.command('CONFIG', 'SET', 'requirepass', '');
    }
    await until(() => backplane.isRedisAvailable(), { what: 'it is let in again' });
  });
});

describe('a user without a password', () => {
  test('is sent', async () => expectServed(await open({ ...base(), username: 'open' }), 'open'));
  test('is sent from a URL', async () => expectServed(await open({ url: `redis://open@127.0.0.1:${redis.port}` }), 'open'));
  test('that has one is refused', async () => expectAway(await open({ ...base(), username: 'ann' })));
});

describe('a server that knows no users', () => {
  test('gets the password alone', async () => {
    const old = await startOld(SECRET);
    await expectServed(await open({ host: old.host, port: old.port, username: 'default', password: SECRET }));
    expect(old.commands).toEqual([['AUTH', 'default', SECRET], ['AUTH', SECRET]]);
  });

  test('and has no password', async () => {
    const old = await startOld();
    const backplane = await open({ host: old.host, port: old.port, username: 'default', password: SECRET });
    await expectServed(backplane);
    expect(backplane.log.story).toHaveLength(2);
  });

  test('serves a user without a password', async () => {
    const old = await startOld();
    await expectServed(await open({ host: old.host, port: old.port, username: 'default' }));
  });

  test('refuses a wrong password', async () => {
    const old = await startOld('another');
    await expectAway(await open({ host: old.host, port: old.port, username: 'default', password: SECRET }));
  });
});

describe('credentials that are asked for', () => {
  const login = { username: 'ann', password: SECRET };

  test.each([['at once', () => login], ['later', async () => login]])('are sent: %s', async (_when, credentials) => {
    const backplane = await open({ ...base(), credentials });
    await expectServed(backplane, 'ann');
  });

  test('take the place of others', async () => {
    const url = `redis://nobody:wrong@127.0.0.1:${redis.port}`;
    await expectServed(await open({ url, credentials: () => login }), 'ann');
  });

  test('may be a password, or a user, alone', async () => {
    await expectServed(await open({ ...base(), credentials: () => ({ username: 'open' }) }), 'open');
    await redis.command('CONFIG', 'SET', 'requirepass', SECRET);
    try {
      await expectServed(await open({ ...base(), credentials: () => ({ password: SECRET }) }), 'default');
    } finally {
      await redis.command('CONFIG', 'SET', 'requirepass', '');
    }
  });

  test('are asked for before each login: calls, large values, subscribers, reconnects', async () => {
    let asked = 0;
    const tokens = [];
    const credentials = async () => {
      asked += 1;
      const token = `token-${asked}`;
      tokens.push(token);
      await redis.command('ACL', 'SETUSER', 'mortal', 'on', 'resetpass', `>${token}`, '~*', '&*', '+@all');
      return { username: 'mortal', password: token };
    };
    const backplane = await open({ ...base(), credentials });
    await expectServed(backplane, 'mortal');
    await isTaken(backplane);
    await backplane.cacheSet('large', 'x'.repeat(400_000));
    expect(await backplane.cacheGet('large')).toHaveLength(400_000);
    expect(asked).toBeGreaterThanOrEqual(3);
    const before = asked;
    await redis.command('CLIENT', 'KILL', 'USER', 'mortal');
    await until(() => asked > before && backplane.isRedisAvailable(), { what: 'it has logged in again' });
    for (const token of tokens) expect(backplane.log.text).not.toContain(token);
  });

  const BROKEN = {
    throws: () => {
      throw new Error(SECRET);
    },
    rejects: async () => {
      throw Object.assign(new Error(SECRET), { code: 'ETOKEN' });
    },
    'rejects with nothing': () => Promise.reject(),
    'throws something that cannot be read': () => {
      throw new Proxy({}, { get() { throw new Error(SECRET); } });
    },
    'answers nothing': () => {},
    'answers null': () => null,
    'answers a string': () => SECRET,
    'answers nobody': () => ({}),
    'answers empty strings': () => ({ username: '', password: '' }),
    'answers numbers': () => ({ username: 5, password: 5 }),
    'answers a Buffer': () => ({ password: Buffer.from(SECRET) }),
    'answers half a character': () => ({ password: 'half \ud800' }),
    'answers a megabyte': () => ({ password: 'x'.repeat(1 << 20) }),
    'answers what cannot be read': () => ({ get password() { throw new Error(SECRET); } }),
    'never answers': () => new Promise(() => {}),
    'is late': () => new Promise((resolve) => setTimeout(() => resolve(login), 1500).unref()),
    'answers a wrong password': () => ({ username: 'ann', password: 'wrong' }),
  };

  test.each(Object.keys(BROKEN))('a function that %s is an outage, which ends with it', async (way) => {
    let isBroken = true;
    const backplane = await open({ ...base(), connectTimeoutMs: 500, credentials: () => (isBroken ? BROKEN[way]() : login) });
    await until(() => backplane.log.story.length > 0, { what: 'it is told' });
    await expectAway(backplane);
    expect(backplane.log.text).not.toContain(SECRET);
    isBroken = false;
    if (way === 'answers a wrong password') return;
    await until(() => backplane.isRedisAvailable(), { what: 'it is let in' });
    expect(backplane.log.story).toEqual(['away', 'ready']);
  });

  test.each([null, undefined])('%s is their absence', async (credentials) => {
    await expectServed(await open({ ...base(), credentials }), 'default');
  });

  test.each([5, 'x', {}, login])('%j are refused', async (credentials) => {
    const backplane = createBackplane({ ...base(), credentials, logger: quietLogger() });
    expect((await outcomeOf(backplane.cacheGet('k'))).code).toBe('E_INVALID_OPTION');
    await backplane.close();
  });

  test('that come after the end are nobody’s', async () => {
    let answer;
    const credentials = () => new Promise((resolve) => {
      answer = resolve;
    });
    const backplane = createBackplane({ ...base(), credentials, logger: quietLogger() });
    const pending = backplane.cacheSet('k', 1);
    await until(() => answer !== undefined, { what: 'it is asked' });
    await backplane.close();
    answer(login);
    expect(await pending).toBe(true);
    expect((await outcomeOf(backplane.cacheGet('k'))).code).toBe('E_CLOSED');
  });

  test('are asked for in worker threads, which end', async () => {
    const outcome = await resultOf('credentials.js', { ...base(), login });
    expect(outcome).toEqual({ main: 'ann', workers: ['ann', 'ann', 'terminated', 'terminated'] });
  });
});
