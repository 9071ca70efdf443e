'use strict';

const { inspect } = require('node:util');
const { startRedis, until } = require('./support');
const { outcomeOf } = require('./support/deferred');
const { recordingLogger, useEnvironment } = require('./support/environment');
const { NOBODY, silent } = require('./support/places');
const { createBackplane } = require('..');

const SECRET = 'hunter2';
const setEnvironment = useEnvironment();

const CALLS = [
  ['cacheGet', 'k'], ['cacheSet', 'k', 1], ['cacheDelete', 'k'], ['cacheDeletePattern', 'k'], ['cacheGetOrSet', 'k', () => 1],
];

/** As `setting` or, where that is nested, in it. */
const UNKNOWN = [
  ['commandTimeout', { commandTimeout: 5 }], ['sentinel', { sentinel: { name: 'x' } }], ['cluster', { cluster: {} }], ['URL', { URL: 'redis://h' }],
  ['__proto__', JSON.parse('{"__proto__":5}')], ['toString', { toString: 5 }],
  ...['memory', 'pubsub', 'locks', 'presence', 'localCache', 'messageCache', 'queryCache'].map((group) => [`${group}.entries`, { [group]: { entries: 5 } }]),
  ...['rejectUnauthorized', 'checkServerIdentity', 'pfx'].flatMap((name) => [true, false].map((value) => [`tls.${name}`, { tls: { [name]: value } }])),
];

/** Setting, options, code. A password in one of them may never be told. */
const WRONG_OPTIONS = [
  ...[
    `http://ann:${SECRET}@h`, `redis://ann:${SECRET}@h:70000`, `redis://ann:${SECRET}@h:x`, `redis://ann:${SECRET}@h/db`, `ann:${SECRET}@h`,
    `redis://ann:${SECRET}@h/-1`, `redis://ann:${SECRET}@h/1/2`, `redis://ann:${SECRET}%zz@h`, `redis://ann:${SECRET}/x@h:1`, `${SECRET}`,
    `redis://ann:${SECRET}@h h`, `rediss://ann:${SECRET}@h:-1`, 'unix://', `unix:///s?db=${SECRET}`, ' ', 'redis', '//h', 'h', 'localhost/1', `ann:${SECRET}@h:1`, `"redis://h:1"`,
    'disabled', `redis://ann:${SECRET}@h:1,`, 'redis://h:1,h:x', 'redis://h?db=x', 'redis://h/1?db=2', 'redis://[::x]', 'redis://h<', 'unix:///s?db=1&db=2',
  ].map((url) => ['url', { url }, 'E_INVALID_URL']),
  ['url', { url: 5 }, 'E_INVALID_OPTION'], ['url', { url: new URL('redis://h') }, 'E_INVALID_OPTION'],
  ['url', { url: `redis://ann:${SECRET}@h:0` }, /^E_INVALID_(URL|PORT)$/],
  ...[0, -1, 65536, 1.5, NaN, Infinity, '6379', true, {}].map((port) => ['port', { host: 'h', port }, 'E_INVALID_PORT']),
  ...['a b', 'h:1', 'redis://h', 'h/1', `ann:${SECRET}@h`, '"h"', ' ', 'a,,b'].map((host) => ['host', { host }, 'E_INVALID_OPTION']),
  ...[-1, 1.5, NaN, 2 ** 31, '3', true, {}].map((db) => ['db', { db }, 'E_INVALID_OPTION']),
  ...UNKNOWN.map(([setting, options]) => [setting, options, 'E_INVALID_OPTION']),
  ['host', { host: 5 }, 'E_INVALID_OPTION'], ['host', { host: {} }, 'E_INVALID_OPTION'],
  ['username', { username: 5 }, 'E_INVALID_OPTION'], ['password', { password: Buffer.from(SECRET) }, 'E_INVALID_OPTION'],
  ['password', { password: [SECRET] }, 'E_INVALID_OPTION'], ['keyPrefix', { keyPrefix: 5 }, 'E_INVALID_OPTION'],
  ['keyPrefix', { keyPrefix: 'half a pair \ud800' }, 'E_INVALID_OPTION'],
  ...['connectTimeoutMs', 'commandTimeoutMs'].flatMap((name) =>
    [0, -1, 1.5, NaN, Infinity, '5', 2 ** 31, {}].map((value) => [name, { [name]: value }, 'E_INVALID_OPTION'])),
  ...[5, 'x', null, true].map((memory) => ['memory', { memory }, 'E_INVALID_OPTION']),
  ...['maxEntries', 'maxBytes'].flatMap((name) =>
    [0, -1, 1.5, NaN, Infinity, '5', 2 ** 53].map((value) => [name, { memory: { [name]: value } }, 'E_INVALID_OPTION'])),
  ...[null, {}, 5, { debug() {}, info() {}, warn() {} }, { debug: 1, info: 1, warn: 1, error: 1 }].map((logger) => ['logger', { logger }, 'E_INVALID_OPTION']),
  ...[null, 1, 'x'].map((tls) => ['tls', { tls }, 'E_INVALID_OPTION']),
  ...[true, {}, { servername: 'h' }].map((tls) => ['tls', { url: 'unix:///nowhere.sock', tls }, 'E_INVALID_OPTION']),
  ['ca', { tls: { ca: 5 } }, 'E_INVALID_OPTION'], ['servername', { tls: { servername: 5 } }, 'E_INVALID_OPTION'],
  ['key', { tls: { cert: 'x' } }, 'E_INVALID_OPTION'], ['cert', { tls: { key: SECRET } }, 'E_INVALID_OPTION'],
  ['ca', { tls: { ca: `no PEM ${SECRET}` } }, 'E_INVALID_OPTION'], ['cert', { tls: { cert: 'no PEM', key: SECRET } }, 'E_INVALID_OPTION'],
  ['servername', { tls: { servername: 'no host name' } }, 'E_INVALID_OPTION'],
  ...[null, 5, 'redis://h', true, () => {}].map((options) => ['options', options, 'E_INVALID_OPTION']),
];

/** What every function does; the synchronous ones throw. */
async function outcomesOf(backplane) {
  const outcomes = [];
  for (const [name, ...args] of CALLS) {
    let promise;
    expect(() => {
      promise = backplane[name](...args);
    }).not.toThrow();
    outcomes.push(await outcomeOf(promise));
  }
  for (const name of ['isRedisAvailable', 'getClient']) {
    outcomes.push(await outcomeOf((async () => backplane[name]())()));
  }
  return outcomes;
}

async function expectMisconfigured(options, setting, code) {
  const backplane = createBackplane(options);
  const outcomes = await outcomesOf(backplane);
  await backplane.close();
  const codes = outcomes.map((outcome) => outcome.code ?? 'none');
  expect(codes).toEqual(codes.map(() => expect.stringMatching(code)));
  for (const { error } of outcomes) {
    expect(error instanceof TypeError || error instanceof RangeError).toBe(true);
    expect(error.message).toContain(setting);
    expect(inspect(error, { depth: 10, showHidden: true }) + error.stack).not.toContain(SECRET);
  }
  expect((await outcomeOf(backplane.cacheGet('k'))).code).toBe('E_CLOSED');
}

const base = { url: NOBODY, logger: silent };

test.each(WRONG_OPTIONS.map(([setting, options, code]) => [setting, inspect(options).slice(0, 80), options, code]))(
  'the option %s: %s',
  async (setting, _text, options, code) => {
    const isObject = typeof options === 'object' && options !== null;
    const settings = isObject && !('host' in options || 'port' in options) ? { ...base, ...options } : options;
    await expectMisconfigured(settings, setting, code);
  }
);

test('options that cannot be read are refused', async () => {
  const secretive = Object.assign(new Error(SECRET), { code: 'ENOENT' });
  for (const name of ['url', 'memory', 'tls', 'logger']) {
    const options = {
      get [name]() {
        throw secretive;
      },
    };
    const backplane = createBackplane(options);
    for (const { code, error } of await outcomesOf(backplane)) {
      expect([code, error instanceof TypeError, error.cause]).toEqual(['E_INVALID_OPTION', true, secretive]);
    }
    await backplane.close();
  }
});

test('making a misconfigured backplane, and closing it unused, throws nothing', async () => {
  await createBackplane(null).close();
  await createBackplane({ port: -1 }).close();
  await createBackplane({}).close();
});

test('a wrong variable does not matter when options take its place', async () => {
  setEnvironment({ REDIS_URL: 'http://nowhere', REDISPORT: 'x' });
  const backplane = createBackplane(base);
  expect(await backplane.cacheGet('k')).toBeNull();
  await backplane.close();
});

test('an argument is checked before the configuration is', async () => {
  const backplane = createBackplane({ port: -1 });
  await expect(backplane.cacheGet('')).rejects.toMatchObject({ code: 'E_INVALID_KEY' });
  await backplane.close();
});

describe('a password is never printed', () => {
  let redis;

  beforeAll(async () => {
    redis = await startRedis({ args: ['--requirepass', 'right'] });
  });

  afterAll(() => redis.stop());

  test.each([
    ['a wrong password', (port) => ({ url: `redis://ann:${SECRET}@127.0.0.1:${port}` })],
    ['a wrong password of its own', (port) => ({ host: '127.0.0.1', port, password: SECRET })],
    ['nobody there', () => ({ url: `redis://ann:${SECRET}@127.0.0.1:1/2` })],
    ['a name that does not exist', () => ({ url: `redis://ann:${SECRET}@nowhere.invalid:1` })],
    ['TLS to a server that has none', (port) => ({ url: `rediss://ann:${SECRET}@127.0.0.1:${port}` })],
    ['no socket', () => ({ url: `unix://ann:${SECRET}@localhost/nowhere.sock` })],
  ])('%s', async (_what, optionsFor) => {
    const logger = recordingLogger();
    const spies = ['log', 'warn', 'error', 'info', 'debug'].map((method) => jest.spyOn(console, method).mockImplementation(() => {}));
    const backplane = createBackplane({ ...optionsFor(redis.port), logger, connectTimeoutMs: 1000 });
    const events = [];
    const client = backplane.getClient();
    client.on('error', (error) => events.push(error));
    await until(() => client.status === 'reconnecting', { what: 'Redis is known to be away' });
    const { error, code } = await outcomeOf(client.call('PING'));
    expect(code).toBe('E_UNAVAILABLE');
    await until(() => events.length > 0, { what: 'an error event' });
    await backplane.close();
    const printed = [logger.lines, error, events, backplane, client, spies.map((spy) => spy.mock.calls)];
    for (const spy of spies) spy.mockRestore();
    expect(inspect(printed, { depth: 10, showHidden: false })).not.toContain(SECRET);
    expect(logger.lines.filter((line) => line.startsWith('warn'))).toHaveLength(1);
  });
});
