'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { outcomeOf } = require('./support/deferred');
const { NOBODY, silent } = require('./support/places');
const { resultOf } = require('./support/program');
const { createBackplane } = require('..');

const ROOT = path.join(__dirname, '..');
const FILES = ['package.json', 'index.js', 'binding.js', 'lib'];

describe('without @socket.io/redis-adapter', () => {
  let project;

  beforeAll(() => {
    project = fs.mkdtempSync(path.join(os.tmpdir(), 'redis-backplane-peer-'));
    const installed = path.join(project, 'node_modules', 'redis-backplane');
    const addons = fs.readdirSync(ROOT).filter((file) => file.endsWith('.node'));
    for (const file of [...FILES, ...addons]) {
      fs.cpSync(path.join(ROOT, file), path.join(installed, file), { recursive: true });
    }
  });

  afterAll(() => fs.rmSync(project, { recursive: true, force: true }));

  it.each([[{}], [{ sharded: true }]])('socketIoAdapter(%j) says so, and all else works', async (options) => {
    const file = path.join(project, 'server.js');
    fs.copyFileSync(path.join(__dirname, 'programs', 'socketio-peer.js'), file);
    const result = await resultOf(file, { url: NOBODY, options }, { cwd: project });
    expect(result).toEqual({ code: 'E_MISSING_PEER', isError: true, kept: true });
  });

  /** A server that has a peer of this text, and this package linked. */
  function serverWith(source) {
    const server = fs.mkdtempSync(path.join(os.tmpdir(), 'redis-backplane-server-'));
    const peer = path.join(server, 'node_modules', '@socket.io', 'redis-adapter');
    fs.mkdirSync(peer, { recursive: true });
    fs.writeFileSync(path.join(peer, 'index.js'), source);
    fs.symlinkSync(path.join(project, 'node_modules', 'redis-backplane'), path.join(server, 'node_modules', 'redis-backplane'));
    const file = path.join(server, 'server.js');
    fs.copyFileSync(path.join(__dirname, 'programs', 'socketio-peer.js'), file);
    return { server, file };
  }

  it('one that the server has is found, also when this package is linked', async () => {
    const { server, file } = serverWith('exports.createAdapter = (...args) => args.length;');
    try {
      expect(await resultOf(file, { url: NOBODY, options: {} }, { cwd: server })).toEqual({ adapter: 3, kept: true });
    } finally {
      fs.rmSync(server, { recursive: true, force: true });
    }
  });

  it.each([
    ['lacks a dependency', "require('debug-of-nobody');", 'E_LOAD'],
    ['throws', "throw new Error('provoked by a test');", 'E_LOAD'],
    ['throws nothing of use', 'throw null;', 'E_LOAD'],
    ['is broken', 'this is no program', 'E_LOAD'],
    ['is too old', 'exports.createShardedAdapter = undefined;', 'E_MISSING_PEER'],
  ])('one that %s is not missing', async (_what, source, code) => {
    const { server, file } = serverWith(source);
    try {
      expect(await resultOf(file, { url: NOBODY, options: { sharded: true } }, { cwd: server })).toEqual({ code, isError: true, kept: true });
    } finally {
      fs.rmSync(server, { recursive: true, force: true });
    }
  });
});

describe('socketIoAdapter', () => {
  let backplane;

  beforeEach(() => {
    backplane = createBackplane({ url: NOBODY, logger: silent });
  });

  afterEach(() => backplane.close());

  /** It throws, as it is no async function. */
  const codeOf = (options) => outcomeOf((async () => backplane.socketIoAdapter(options))());

  it.each([[null], ['text'], [1], [true], [() => {}], [[]], [{ sharded: 'yes' }], [{ sharded: 1 }], [{ sharded: null }]])(
    'takes no %p',
    async (options) => {
      const { code, error } = await codeOf(options);
      expect([code, error instanceof TypeError]).toEqual(['E_INVALID_OPTION', true]);
    }
  );

  it.each([[undefined], [{}], [{ sharded: false }], [{ sharded: undefined }], [{ sharded: true }], [{ key: 'other', requestsTimeout: 100 }]])(
    'takes %p',
    async (options) => expect(typeof (await codeOf(options)).value).toBe('function')
  );

  it('reports what is wrong with the configuration', async () => {
    const wrong = createBackplane({ port: -1, logger: silent });
    const { code } = await outcomeOf((async () => wrong.socketIoAdapter())());
    expect(code).toBe('E_INVALID_PORT');
    await wrong.close();
  });
});
