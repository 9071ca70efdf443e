'use strict';

const { startRedis } = require('./support');
const { recordingLogger, useEnvironment } = require('./support/environment');
const { silent } = require('./support/places');
const { createBackplane } = require('..');

const LOGIN = ['ann', 'p@ss:w/ör d%'];
const setEnvironment = useEnvironment();

let one;
let other;
const opened = [];

beforeAll(async () => {
  one = await startRedis();
  other = await startRedis();
  for (const server of [one, other]) {
    for (const user of ['ann', 'bob']) {
      await server.command('ACL', 'SETUSER', user, 'on', `>${LOGIN[1]}`, `>${user}s`, '~*', '&*', '+@all');
    }
  }
});

afterAll(async () => {
  await one.stop();
  await other.stop();
});

afterEach(async () => {
  for (const backplane of opened.splice(0)) await backplane.close();
});

function open(options) {
  const backplane = createBackplane(options && { logger: silent, ...options });
  opened.push(backplane);
  return backplane;
}

/** Where and as whom a backplane is connected. */
async function connectionOf(backplane) {
  await backplane.getClient().connect();
  const [, port] = await backplane.getClient().call('CONFIG', 'GET', 'port');
  const info = await backplane.getClient().call('CLIENT', 'INFO');
  return { port: Number(port), user: /user=(\S*)/.exec(info)[1], db: Number(/db=(\d+)/.exec(info)[1]) };
}

const expectConnection = async (options, expected) =>
  expect(await connectionOf(open(options))).toMatchObject({ user: 'default', db: 0, ...expected });

const encoded = encodeURIComponent(LOGIN[1]);
const withLogin = (server, user = 'ann') => `redis://${user}:${encoded}@127.0.0.1:${server.port}`;

describe('from the environment', () => {
  test('REDIS_URL', async () => {
    setEnvironment({ REDIS_URL: one.url });
    await expectConnection({}, { port: one.port });
    setEnvironment({ REDIS_URL: `${withLogin(other)}/3` });
    await expectConnection({}, { port: other.port, user: 'ann', db: 3 });
  });

  test.each([
    ['without underscore', ['REDISHOST', 'REDISPORT', 'REDISUSER', 'REDISPASSWORD']],
    ['with underscore', ['REDIS_HOST', 'REDIS_PORT', 'REDIS_USER', 'REDIS_PASSWORD']],
    ['mixed', ['REDIS_HOST', 'REDISPORT', 'REDISUSER', 'REDIS_PASSWORD']],
  ])('the parts, %s', async (_form, [host, port, user, password]) => {
    setEnvironment({ [host]: '127.0.0.1', [port]: String(one.port), [user]: LOGIN[0], [password]: LOGIN[1] });
    await expectConnection({}, { port: one.port, user: 'ann' });
  });

  test('the form without underscore comes first', async () => {
    setEnvironment({
      REDISHOST: '127.0.0.1', REDIS_HOST: 'nowhere.invalid', REDISPORT: String(one.port), REDIS_PORT: String(other.port),
      REDISUSER: 'ann', REDIS_USER: 'bob', REDISPASSWORD: 'anns', REDIS_PASSWORD: 'bobs',
    });
    await expectConnection({}, { port: one.port, user: 'ann' });
  });

  test('REDIS_URL comes before the parts', async () => {
    setEnvironment({ REDIS_URL: one.url, REDISHOST: 'nowhere.invalid', REDIS_HOST: 'nowhere.invalid', REDISPORT: '1', REDIS_PORT: '1' });
    await expectConnection({}, { port: one.port });
  });

  test('the host is localhost unless it is said', async () => {
    setEnvironment({ REDISPORT: String(one.port) });
    await expectConnection({}, { port: one.port });
  });

  test('a password without a user is that of the default user', async () => {
    await other.command('CONFIG', 'SET', 'requirepass', 'defaults');
    try {
      setEnvironment({ REDISPORT: String(other.port), REDISPASSWORD: 'defaults' });
      await expectConnection({}, { port: other.port });
      await expectConnection({ url: `redis://:defaults@127.0.0.1:${other.port}` }, { port: other.port });
    } finally {
      await other.command('CONFIG', 'SET', 'requirepass', '');
    }
  });

  test('it is read at the first call, and then no more', async () => {
    const backplane = open({});
    setEnvironment({ REDIS_URL: one.url });
    expect(await connectionOf(backplane)).toMatchObject({ port: one.port });
    setEnvironment({ REDIS_URL: other.url });
    expect(await connectionOf(backplane)).toMatchObject({ port: one.port });
  });

  test('the default backplane uses it', async () => {
    setEnvironment({ REDIS_URL: one.url });
    let flat;
    jest.isolateModules(() => {
      flat = require('..');
    });
    const log = jest.spyOn(console, 'log').mockImplementation(() => {});
    try {
      expect(await connectionOf(flat)).toMatchObject({ port: one.port });
    } finally {
      await flat.close();
      log.mockRestore();
    }
  });

  test.each(['REDIS_URL', 'REDISHOST', 'REDISPORT', 'REDISUSER', 'REDISPASSWORD'])('an empty %s counts as unset', async (name) => {
    setEnvironment({ REDIS_HOST: '127.0.0.1', REDIS_PORT: String(one.port), REDIS_USER: 'ann', REDIS_PASSWORD: 'anns', [name]: '' });
    await expectConnection({}, { port: one.port, user: 'ann' });
  });
});

describe('options', () => {
  beforeEach(() => setEnvironment({ REDIS_URL: 'redis://nowhere.invalid:1', REDISHOST: 'nowhere.invalid', REDISPORT: '1' }));

  test('url wins over everything in the environment', async () => {
    setEnvironment({ REDISUSER: 'bob', REDISPASSWORD: 'wrong' });
    await expectConnection({ url: one.url }, { port: one.port });
  });

  test('url wins over host and port', () => expectConnection({ url: one.url, host: 'nowhere.invalid', port: 1 }, { port: one.port }));

  test('host and port win over the environment', () => expectConnection({ host: '127.0.0.1', port: one.port }, { port: one.port }));

  test('host alone takes the port of the environment, port alone the host', async () => {
    setEnvironment({ REDISHOST: '127.0.0.1', REDISPORT: String(one.port) });
    await expectConnection({ host: 'localhost' }, { port: one.port });
    await expectConnection({ port: other.port }, { port: other.port });
  });

  test('username and password win over those of the URL and the environment', async () => {
    setEnvironment({ REDISUSER: 'bob', REDISPASSWORD: 'bobs' });
    await expectConnection({ url: withLogin(one, 'bob'), username: 'ann', password: 'anns' }, { port: one.port, user: 'ann' });
    await expectConnection({ host: '127.0.0.1', port: one.port, username: 'ann', password: 'anns' }, { port: one.port, user: 'ann' });
    setEnvironment({ REDIS_URL: withLogin(one, 'bob') });
    await expectConnection({ username: 'ann', password: 'anns' }, { port: one.port, user: 'ann' });
  });

  test('a part that is not said comes from the URL', () =>
    expectConnection({ url: withLogin(one), password: 'anns' }, { port: one.port, user: 'ann' }));

  test('empty strings and undefined count as unset', async () => {
    setEnvironment({ REDIS_URL: withLogin(one) });
    for (const nothing of ['', undefined]) {
      const options = { url: nothing, host: nothing, port: undefined, username: nothing, password: nothing, keyPrefix: nothing };
      await expectConnection(options, { port: one.port, user: 'ann' });
    }
  });

  test('no options are as good as empty ones', async () => {
    setEnvironment({ REDIS_URL: one.url });
    const log = jest.spyOn(console, 'log').mockImplementation(() => {});
    await expectConnection(undefined, { port: one.port });
    log.mockRestore();
  });
});

describe('a URL that cannot be meant is ignored, with one warning', () => {
  const UNUSABLE = [
    '${{Redis.REDIS_URL}}', 'redis://${{REDISUSER}}:${{REDISPASSWORD}}@${{REDISHOST}}:${{REDISPORT}}', `redis://127.0.0.1:1/\${{DB}}`,
    'redis://', 'redis://:6379', 'redis://:@:', 'redis://ann:secret@', 'redis://ann:secret@:6379/2', 'rediss://', 'redis:///3', 'redis://?db=1',
    'REDIS://', 'redis:/5',
  ];

  test.each(UNUSABLE)('%s in the environment', async (url) => {
    setEnvironment({ REDIS_URL: url, REDISHOST: '127.0.0.1', REDISPORT: String(one.port) });
    const logger = recordingLogger();
    const backplane = open({ logger });
    expect(await connectionOf(backplane)).toMatchObject({ port: one.port, user: 'default', db: 0 });
    await Promise.all([backplane.cacheGet('a'), backplane.cacheGet('b')]);
    const warnings = logger.lines.filter((line) => line.startsWith('warn'));
    expect(warnings).toEqual([expect.stringContaining('REDIS_URL')]);
    expect(logger.lines.join()).not.toContain('secret');
  });

  test.each(UNUSABLE)('%s as an option', async (url) => {
    setEnvironment({ REDIS_URL: one.url });
    const logger = recordingLogger();
    expect(await connectionOf(open({ url, logger }))).toMatchObject({ port: one.port });
    expect(logger.lines.filter((line) => line.startsWith('warn'))).toHaveLength(1);
  });

  test('the warning is on the console unless there is a logger', async () => {
    setEnvironment({ REDIS_URL: 'redis://', REDISHOST: '127.0.0.1', REDISPORT: String(one.port) });
    const spies = ['warn', 'log'].map((method) => jest.spyOn(console, method).mockImplementation(() => {}));
    try {
      await connectionOf(open());
      expect(spies[0].mock.calls).toEqual([[expect.stringContaining('REDIS_URL')]]);
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
  });
});
