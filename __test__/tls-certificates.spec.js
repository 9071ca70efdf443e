'use strict';

// Certificates of all kinds, made by openssl: served where Node serves them, or refused at the first call.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { startRedis } = require('./support');
const { outcomeOf } = require('./support/deferred');
const { cleanEnv, resultOf } = require('./support/program');
const { quietLogger } = require('./support/log');
const { createBackplane } = require('..');

const EC = (curve) => ['-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${curve}`];
const RSA = (bits) => ['-newkey', `rsa:${bits}`];
const NAMES = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];

let dir;
const servers = [];
const opened = [];

const file = (name) => path.join(dir, name);
const read = (name) => fs.readFileSync(file(name), 'utf8');
const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: dir });

/** `name.crt`, which signs itself, and `name.key`. */
function selfSigned(name, key, extra = NAMES) {
  openssl('req', '-x509', ...key, '-nodes', '-days', '2', '-subj', '/CN=localhost', '-keyout', `${name}.key`, '-out', `${name}.crt`, ...extra);
}

/** `name.crt`, signed by `ca`. */
function signed(name, ca, key, extra = ['subjectAltName=DNS:localhost,IP:127.0.0.1']) {
  fs.writeFileSync(file('extensions'), extra.join('\n'));
  // Not under the name of its CA: OpenSSL would take it for one that signs itself.
  openssl('req', '-new', ...key, '-nodes', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`);
  const extensions = extra.length > 0 ? ['-extfile', 'extensions'] : [];
  openssl('x509', '-req', '-in', `${name}.csr`, '-CA', `${ca}.crt`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-days', '2', '-out', `${name}.crt`, ...extensions);
}

async function serve(name, extra = []) {
  const server = await startRedis({
    args: ({ port }) => [
      '--port', 0, '--tls-port', port, '--tls-cert-file', file(`${name}.crt`), '--tls-key-file', file(`${name}.key`),
      '--tls-ca-cert-file', file('p256.crt'), '--tls-auth-clients', 'no', ...extra,
    ],
  });
  servers.push(server);
  return `rediss://localhost:${server.port}`;
}

beforeAll(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'redis-backplane-tls-'));
  selfSigned('p256', EC('prime256v1'));
  selfSigned('other', EC('prime256v1'));
});

afterEach(async () => {
  for (const backplane of opened.splice(0)) await backplane.close();
  for (const server of servers.splice(0)) await server.stop();
});

afterAll(() => fs.rmSync(dir, { recursive: true, force: true }));

async function isServed(options) {
  const backplane = createBackplane({ logger: quietLogger(), ...options });
  opened.push(backplane);
  await backplane.cacheGet('settled');
  return backplane.isRedisAvailable();
}

async function expectCode(tls, word) {
  const backplane = createBackplane({ url: 'rediss://localhost:1', tls, logger: quietLogger() });
  const { code, error } = await outcomeOf(backplane.cacheGet('k'));
  await backplane.close();
  expect([code, error instanceof TypeError]).toEqual(['E_INVALID_OPTION', true]);
  expect(error.message).toContain(word);
}

describe('a certificate that signs itself is its own CA', () => {
  test.each([
    ['P-256', EC('prime256v1')], ['P-384', EC('secp384r1')], ['P-521', EC('secp521r1')], ['RSA', RSA(2048)], ['Ed25519', ['-newkey', 'ed25519']],
  ])('%s', async (_kind, key) => {
    selfSigned('own', key);
    expect(await isServed({ url: await serve('own'), tls: { ca: read('own.crt') } })).toBe(true);
  });

  test.each(['TLSv1.2', 'TLSv1.3'])('over %s', async (protocol) => {
    expect(await isServed({ url: await serve('p256', ['--tls-protocols', protocol]), tls: { ca: read('p256.crt') } })).toBe(true);
  });

  test.each([
    ['that is no CA', [...NAMES, '-addext', 'basicConstraints=critical,CA:FALSE']], ['for servers', [...NAMES, '-addext', 'extendedKeyUsage=serverAuth']],
    ['whose name stands in its subject alone', []],
  ])('%s', async (_kind, extra) => {
    selfSigned('own', EC('prime256v1'), extra);
    expect(await isServed({ url: await serve('own'), tls: { ca: read('own.crt') } })).toBe(true);
  });

  test('of version 1', async () => {
    openssl('req', '-new', ...EC('prime256v1'), '-nodes', '-subj', '/CN=localhost', '-keyout', 'v1.key', '-out', 'v1.csr');
    openssl('x509', '-req', '-in', 'v1.csr', '-signkey', 'v1.key', '-days', '2', '-out', 'v1.crt');
    expect(await isServed({ url: await serve('v1'), tls: { ca: read('v1.crt') } })).toBe(true);
  });

  test.each([
    ['another that looks the same', () => ['p256', 'other']], ['another name', () => {
      selfSigned('own', EC('prime256v1'), ['-addext', 'subjectAltName=DNS:elsewhere.example']);
      return ['own', 'own'];
    }], ['for clients alone', () => {
      selfSigned('own', EC('prime256v1'), [...NAMES, '-addext', 'extendedKeyUsage=clientAuth']);
      return ['own', 'own'];
    }], ['one that has expired', () => {
      openssl('req', '-new', ...EC('prime256v1'), '-nodes', '-subj', '/CN=localhost', '-keyout', 'own.key', '-out', 'own.csr');
      openssl('x509', '-req', '-in', 'own.csr', '-signkey', 'own.key', '-days', '-1', '-out', 'own.crt');
      return ['own', 'own'];
    }],
  ])('but not %s', async (_kind, make) => {
    const [server, ca] = make();
    expect(await isServed({ url: await serve(server), tls: { ca: read(`${ca}.crt`) } })).toBe(false);
  });

  test('under its name alone', async () => {
    selfSigned('own', EC('prime256v1'), ['-addext', 'subjectAltName=DNS:elsewhere.example']);
    const url = await serve('own');
    expect(await isServed({ url, tls: { ca: read('own.crt'), servername: 'elsewhere.example' } })).toBe(true);
    expect(await isServed({ url, tls: { ca: read('own.crt') } })).toBe(false);
  });
});

describe('an authority', () => {
  test.each([['P-521', EC('secp521r1'), EC('secp521r1')], ['P-521 for P-256', EC('secp521r1'), EC('prime256v1')], ['RSA for P-521', RSA(2048), EC('secp521r1')]])(
    'with %s',
    async (_kind, caKey, key) => {
      selfSigned('ca', caKey, []);
      signed('leaf', 'ca', key);
      expect(await isServed({ url: await serve('leaf'), tls: { ca: read('ca.crt') } })).toBe(true);
      expect(await isServed({ url: await serve('leaf'), tls: { ca: read('other.crt') } })).toBe(false);
    }
  );

  test('is none where only its certificate for a server is given, but that server is served', async () => {
    selfSigned('ca', EC('prime256v1'), []);
    signed('leaf', 'ca', EC('prime256v1'), ['basicConstraints=CA:FALSE', 'subjectAltName=DNS:localhost']);
    signed('child', 'leaf', EC('prime256v1'));
    expect(await isServed({ url: await serve('leaf'), tls: { ca: read('leaf.crt') } })).toBe(true);
    expect(await isServed({ url: await serve('child'), tls: { ca: read('leaf.crt') } })).toBe(false);
  });
});

describe('forms of PEM', () => {
  test.each([
    ['an array', (pem) => [read('other.crt'), pem]], ['an array of Buffers', (pem) => [Buffer.from(pem)]], ['a Uint8Array', (pem) => new Uint8Array(Buffer.from(pem))],
    ['newlines in two letters', (pem) => pem.replaceAll('\n', '\\n')], ['CRLF', (pem) => pem.replaceAll('\n', '\r\n')],
    ['words around it', (pem) => `the server\n${pem}\nthe end`],
  ])('%s', async (_form, form) => {
    expect(await isServed({ url: await serve('p256'), tls: { ca: form(read('p256.crt')) } })).toBe(true);
  });

  test.each([
    ['PKCS #8', []], ['SEC 1', ['ec']], ['newlines in two letters', []],
  ])('a key in %s', async (form, [tool]) => {
    signed('client', 'p256', EC('prime256v1'), []);
    if (tool) openssl(tool, '-in', 'client.key', '-out', 'client.key');
    const escape = (pem) => (form.startsWith('newlines') ? pem.replaceAll('\n', '\\n') : pem);
    const url = await serve('p256', ['--tls-auth-clients', 'yes']);
    const tls = { ca: read('p256.crt'), cert: escape(read('client.crt')), key: escape(read('client.key')) };
    expect(await isServed({ url, tls })).toBe(true);
  });
});

describe('refused at the first call', () => {
  test.each([
    ['tls.ca', () => ({ ca: [] })], ['tls.ca', () => ({ ca: [5] })], ['tls.ca', () => ({ ca: ['', read('p256.crt')] })], ['tls.ca', () => ({ ca: `${read('p256.crt')}-----BEGIN CERTIFICATE-----\nbroken` })],
    ['tls.ca', () => ({ ca: read('p256.crt').replace('M', '!') })], ['tls.ca', () => ({ ca: read('p256.key') })],
    ['tls.key', () => ({ cert: read('p256.crt'), key: read('other.key') })], ['tls.key', () => ({ cert: read('p256.crt'), key: read('p256.crt') })],
    ['tls.cert', () => ({ cert: [read('p256.crt')], key: read('p256.key') })], ['tls.ca', () => ({ rejectUnauthorized: false })],
    ['tls.servername', () => ({ checkServerIdentity: () => {} })],
  ])('%s (%#)', async (word, make) => expectCode(make(), word));

  test.each([
    ['an RSA key that is too short', 'tls.ca', () => selfSigned('odd', RSA(1024))], ['a curve of Bitcoin', 'tls.ca', () => selfSigned('odd', EC('secp256k1'))],
  ])('%s', async (_kind, word, make) => {
    make();
    await expectCode({ ca: read('odd.crt') }, word);
  });

  test('a key that we cannot sign with, or that is encrypted', async () => {
    selfSigned('odd', EC('secp521r1'));
    await expectCode({ cert: read('odd.crt'), key: read('odd.key') }, 'tls.key');
    openssl('pkcs8', '-topk8', '-in', 'p256.key', '-out', 'locked.key', '-passout', 'pass:x');
    await expectCode({ cert: read('p256.crt'), key: read('locked.key') }, 'tls.key');
  });
});

describe('NODE_EXTRA_CA_CERTS', () => {
  /** Node itself reads it when a process starts. */
  const askedBy = async (server, variable, tls) => resultOf('extra-certificates.js', { url: await serve(server), tls }, { env: { ...cleanEnv(), NODE_EXTRA_CA_CERTS: variable } });

  test('counts, for an authority and for a server’s own', async () => {
    selfSigned('ca', EC('prime256v1'), []);
    signed('leaf', 'ca', EC('prime256v1'));
    expect(await askedBy('leaf', file('ca.crt'))).toMatchObject({ served: true, lines: [] });
    expect(await askedBy('p256', file('p256.crt'), true)).toMatchObject({ served: true });
  });

  test('does not where ca is given', async () => {
    expect(await askedBy('p256', file('p256.crt'), { ca: read('other.crt') })).toMatchObject({ served: false });
  });

  test('that cannot be read is a line', async () => {
    const { served, lines } = await askedBy('p256', file('nowhere.crt'));
    expect([served, lines.filter((line) => line.includes('NODE_EXTRA_CA_CERTS')).length]).toEqual([false, 1]);
  });
});
