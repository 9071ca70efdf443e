'use strict';

const net = require('node:net');
const { listenOnFreePort } = require('../scripts/free-port');
const { startRedis, until } = require('./support');
const { Authority } = require('./support/certificates');
const { useEnvironment } = require('./support/environment');
const { silent } = require('./support/places');
const { createBackplane } = require('..');

const PASSWORD = 'hunter2';
/** Alert and handshake: what TLS says before anything is secret. */
const OPENING_RECORDS = [0x15, 0x16];
const RECORD_HEADER_BYTES = 5;

useEnvironment();

let own;
let foreign;
let client;
let servers;
const opened = [];

/** A Redis that speaks only TLS, with a certificate of `own` for `names`. */
function startTls(name, names, extraArgs = []) {
  const { certFile, keyFile } = own.issue(name, names);
  return startRedis({
    args: ({ port }) => [
      '--port', 0, '--tls-port', port, '--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', own.caFile,
      '--tls-auth-clients', 'no', '--requirepass', PASSWORD, ...extraArgs,
    ],
  });
}

beforeAll(async () => {
  own = new Authority('own');
  foreign = new Authority('foreign');
  client = own.issue('client', []);
  servers = {
    localhost: await startTls('localhost', ['DNS:localhost', 'IP:127.0.0.1']),
    elsewhere: await startTls('elsewhere', ['DNS:redis.example']),
    strict: await startTls('strict', ['DNS:localhost'], ['--tls-auth-clients', 'yes']),
  };
});

afterAll(async () => {
  for (const server of Object.values(servers)) await server.stop();
  own.remove();
  foreign.remove();
});

afterEach(async () => {
  for (const backplane of opened.splice(0)) await backplane.close();
});

/** A backplane whose first attempt has come to its outcome. */
async function open(options) {
  const backplane = createBackplane({ logger: silent, password: PASSWORD, ...options });
  opened.push(backplane);
  await backplane.cacheGet('settled');
  return backplane;
}

async function expectServed(options) {
  const backplane = await open(options);
  expect(backplane.getClient().status).toBe('ready');
  await backplane.cacheSet('k', { a: 'é' });
  expect(JSON.parse(await backplane.getClient().call('GET', 'cache:k'))).toEqual({ a: 'é' });
  const large = 'x'.repeat(1 << 20);
  expect(await backplane.cacheSet('large', large)).toBe(true);
  expect((await backplane.cacheGet('large')) === large).toBe(true);
  await backplane.cacheDeletePattern('*');
}

async function expectRefused(options) {
  const backplane = await open(options);
  expect(backplane.isRedisAvailable()).toBe(false);
  await expect(backplane.getClient().ping()).rejects.toMatchObject({ code: 'E_UNAVAILABLE' });
  expect(await backplane.cacheSet('k', 1)).toBe(true);
  expect(await backplane.cacheGet('k')).toBe(1);
}

/** The types of the TLS records in what a connection sent. */
function recordTypes(bytes) {
  const types = [];
  for (let at = 0; at + RECORD_HEADER_BYTES <= bytes.length; at += RECORD_HEADER_BYTES + bytes.readUInt16BE(at + 3)) types.push(bytes[at]);
  return types;
}

const urlOf = (server, host = 'localhost') => `rediss://${host}:${server.port}`;

describe('a server with a certificate of the given CA is served', () => {
  test('by name', () => expectServed({ url: urlOf(servers.localhost), tls: { ca: own.ca } }));
  test('by address', () => expectServed({ url: urlOf(servers.localhost, '127.0.0.1'), tls: { ca: own.ca } }));
  test('with the CA as a Buffer', () => expectServed({ url: urlOf(servers.localhost), tls: { ca: Buffer.from(own.ca) } }));
  test('with several CAs', () => expectServed({ url: urlOf(servers.localhost), tls: { ca: foreign.ca + own.ca } }));
  test('without a URL', () => expectServed({ host: 'localhost', port: servers.localhost.port, tls: { ca: own.ca } }));
  test('with redis:// and TLS turned on', () =>
    expectServed({ url: `redis://localhost:${servers.localhost.port}`, tls: { ca: own.ca } }));

  test('with the URL from the environment', async () => {
    process.env.REDIS_URL = `rediss://:${PASSWORD}@localhost:${servers.localhost.port}/2`;
    await expectServed({ tls: { ca: own.ca }, password: undefined });
  });

  test('under another name that is given', () =>
    expectServed({ url: urlOf(servers.elsewhere), tls: { ca: own.ca, servername: 'redis.example' } }));
});

describe('a server that cannot prove itself is not', () => {
  test('with a CA that nobody knows', () => expectRefused({ url: urlOf(servers.localhost) }));
  test('with TLS simply turned on', () => expectRefused({ host: 'localhost', port: servers.localhost.port, tls: true }));
  test('with a CA that is another', () => expectRefused({ url: urlOf(servers.localhost), tls: { ca: foreign.ca } }));
  test('with a certificate for another host', () => expectRefused({ url: urlOf(servers.elsewhere), tls: { ca: own.ca } }));
  test('with a certificate that does not hold the address', () =>
    expectRefused({ url: urlOf(servers.elsewhere, '127.0.0.1'), tls: { ca: own.ca } }));
  test('under a name that its certificate does not hold', () =>
    expectRefused({ url: urlOf(servers.localhost), tls: { ca: own.ca, servername: 'redis.example' } }));
  test('with a wrong password', () => expectRefused({ url: urlOf(servers.localhost), tls: { ca: own.ca }, password: 'wrong' }));
});

describe('a server that wants certificates', () => {
  const login = () => ({ cert: client.cert, key: client.key });

  test('serves whoever has one of its CA', () => expectServed({ url: urlOf(servers.strict), tls: { ca: own.ca, ...login() } }));

  test('with Buffers too', () =>
    expectServed({ url: urlOf(servers.strict), tls: { ca: own.ca, cert: Buffer.from(client.cert), key: Buffer.from(client.key) } }));

  test('refuses whoever has none', () => expectRefused({ url: urlOf(servers.strict), tls: { ca: own.ca } }));

  test('refuses one of another CA', () => {
    const stranger = foreign.issue('stranger', []);
    return expectRefused({ url: urlOf(servers.strict), tls: { ca: own.ca, cert: stranger.cert, key: stranger.key } });
  });
});

describe('there is no downgrade', () => {
  let listener;
  let received;

  beforeEach(async () => {
    received = [];
    listener = net.createServer((socket) => {
      const number = received.push(Buffer.alloc(0)) - 1;
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        received[number] = Buffer.concat([received[number], chunk]);
        socket.end('-ERR this is not TLS\r\n');
      });
    });
    await listenOnFreePort(listener);
  });

  afterEach(() => new Promise((resolve) => listener.close(resolve)));

  test.each([
    ['rediss://', (port) => ({ url: `rediss://ann:${PASSWORD}@127.0.0.1:${port}` })],
    ['rediss:// with tls: false', (port) => ({ url: `rediss://ann:${PASSWORD}@127.0.0.1:${port}`, tls: false })],
    ['tls: true', (port) => ({ host: '127.0.0.1', port, tls: true })],
    ['redis:// with a CA', (port) => ({ url: `redis://127.0.0.1:${port}`, tls: { ca: own.ca } })],
  ])('%s sends nothing but handshakes to a server without TLS', async (_how, optionsFor) => {
    const { port } = listener.address();
    const backplane = await open(optionsFor(port));
    await backplane.cacheSet('k', 'a value that nobody may see');
    await until(() => received.length >= 3, { what: 'it has tried again' });
    expect(backplane.isRedisAvailable()).toBe(false);
    await backplane.close();
    const types = new Set(received.flatMap(recordTypes));
    expect([...types].filter((type) => !OPENING_RECORDS.includes(type))).toEqual([]);
    expect(types.size).toBeGreaterThan(0);
    const seen = Buffer.concat(received).toString('latin1');
    for (const secret of [PASSWORD, 'ann', 'AUTH', 'PING', 'a value']) expect(seen).not.toContain(secret);
  });

  test('a plain connection to a server with TLS is an outage', () =>
    expectRefused({ url: `redis://localhost:${servers.localhost.port}`, connectTimeoutMs: 500 }));
});
