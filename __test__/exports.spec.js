'use strict';

const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { listenOnFreePort } = require('../scripts/free-port');
const { resultOf, runProgram } = require('./support/program');
const { NOBODY, silent } = require('./support/places');

const ROOT = path.join(__dirname, '..');
const flat = require('..');
const redisClient = require('../modules/redisClient');
const redisPubSub = require('../modules/redisPubSub');
const presenceService = require('../modules/presenceService');
const messageCache = require('../modules/messageCache');
const queryCache = require('../modules/queryCache');
const sessionCache = require('../modules/sessionCache');

/** The functions that a file of types declares, each once however many overloads it has, or passes on. */
function declared(file) {
  const text = fs.readFileSync(path.join(ROOT, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const functions = [...text.matchAll(/^export (?:declare )?(?:function|class|const) (\w+)/gm)].map(([, name]) => name);
  const passed = [...text.matchAll(/^export \{([^}]*)\}/gm)].flatMap(([, names]) => names.split(',').map((name) => name.trim()));
  return [...new Set([...functions, ...passed])].filter(Boolean).sort();
}

const namesOf = (module) => Object.keys(module).sort();

describe('require', () => {
  test('gives what the types declare, and nothing else', () => {
    expect(namesOf(flat)).toEqual(declared('index.d.ts'));
    expect(namesOf(redisClient)).toEqual(declared('modules/redisClient.d.ts'));
    expect(namesOf(redisPubSub)).toEqual(declared('modules/redisPubSub.d.ts'));
    expect(namesOf(presenceService)).toEqual(declared('modules/presenceService.d.ts'));
    expect(namesOf(messageCache)).toEqual(declared('modules/messageCache.d.ts'));
    expect(namesOf(queryCache)).toEqual(declared('modules/queryCache.d.ts'));
    expect(namesOf(sessionCache)).toEqual(declared('modules/sessionCache.d.ts'));
    for (const module of [redisClient, redisPubSub, presenceService, messageCache, queryCache, sessionCache]) {
      for (const name of namesOf(module)) expect(typeof module[name]).toBe('function');
    }
  });

  test.each(Object.entries({ messageCache, queryCache, sessionCache }))('%s has the functions of the part that has its name', (name, module) => {
    expect({ ...module }).toEqual(flat[name]);
  });

  test.each(Object.entries({ redisClient, redisPubSub, presenceService }))('%s passes on the very same functions', (_, module) => {
    for (const name of namesOf(module)) expect(module[name]).toBe(flat[name]);
  });

  test('a backplane has the members that are exported', () => {
    const members = namesOf(flat.createBackplane());
    expect(members).toEqual(namesOf(flat).filter((name) => name !== 'createBackplane'));
  });

  test('two backplanes, and the default one, have functions of their own', () => {
    const [one, other] = [flat.createBackplane(), flat.createBackplane()];
    for (const name of namesOf(one)) {
      expect(new Set([one[name], other[name], flat[name]]).size).toBe(3);
    }
  });

  test('functions work without their object', async () => {
    const backplane = flat.createBackplane({ url: NOBODY, logger: silent });
    const { cacheGet, cacheSet, cacheDelete, cacheDeletePattern, cacheGetOrSet, isRedisAvailable, getClient, close } = backplane;
    expect(await cacheSet('k', 1)).toBe(true);
    expect(await cacheGet('k')).toBe(1);
    expect(await Promise.all(['a', 'b'].map((key) => cacheGetOrSet(key, () => key)))).toEqual(['a', 'b']);
    expect(await cacheDelete.call(undefined, 'k')).toBe(true);
    expect(await cacheDeletePattern.call({ cacheGet: null }, '*')).toBe(2);
    expect(isRedisAvailable()).toBe(false);
    expect(getClient().status).toBe('reconnecting');
    await close();
  });

  test('extra arguments of an array method do no harm', async () => {
    const backplane = flat.createBackplane({ url: NOBODY, logger: silent });
    await Promise.all(['a', 'b'].map((key) => backplane.cacheSet(key, key)));
    expect(await Promise.all(['a', 'b'].map(backplane.cacheGet))).toEqual(['a', 'b']);
    expect(await Promise.all(['a', 'b'].map(backplane.cacheDelete))).toEqual([true, true]);
    await backplane.close();
  });
});

describe('as an installed package', () => {
  let project;

  beforeAll(() => {
    project = fs.mkdtempSync(path.join(os.tmpdir(), 'redis-backplane-project-'));
    fs.mkdirSync(path.join(project, 'node_modules'));
    fs.symlinkSync(ROOT, path.join(project, 'node_modules', 'redis-backplane'), 'dir');
  });

  afterAll(() => fs.rmSync(project, { recursive: true, force: true }));

  function write(name, text) {
    const file = path.join(project, name);
    fs.writeFileSync(file, text);
    return file;
  }

  const env = { REDIS_URL: NOBODY };

  test('every function can be imported by its name', async () => {
    const names = namesOf(flat).join(', ');
    const clientNames = namesOf(redisClient).map((name) => `${name} as client_${name}`).join(', ');
    const file = write('named.mjs', `
      import { ${names} } from 'redis-backplane';
      import { ${clientNames} } from 'redis-backplane/redisClient';
      import whole from 'redis-backplane';
      const same = cacheGet === client_cacheGet && cacheGet === whole.cacheGet;
      await cacheSet('k', 1);
      const read = await client_cacheGet('k');
      await close();
      console.log(JSON.stringify({ same, read }));
    `);
    expect(await resultOf(file, {}, { env })).toEqual({ same: true, read: 1 });
  });

  test('import and require give the same backplane', async () => {
    const file = write('both.mjs', `
      import { createRequire } from 'node:module';
      import { cacheSet, close } from 'redis-backplane';
      const required = createRequire(import.meta.url)('redis-backplane');
      await cacheSet('k', 'set by import');
      const read = await required.cacheGet('k');
      await close();
      console.log(JSON.stringify([read, await required.cacheGet('k').catch((error) => error.code)]));
    `);
    expect(await resultOf(file, {}, { env })).toEqual(['set by import', 'E_CLOSED']);
  });

  test('an import under a name space has everything', async () => {
    const file = write('space.mjs', `
      import * as space from 'redis-backplane';
      console.log(JSON.stringify(Object.keys(space).filter((name) => space[name] !== undefined).sort()));
    `);
    expect(await resultOf(file, {}, { env })).toEqual(expect.arrayContaining(namesOf(flat)));
  });

  test('nothing else of it can be required', async () => {
    const file = write('private.js', `
      const codes = ['lib/core', 'lib/core.js', 'binding', 'index', 'src/lib.rs'].map((name) => {
        try { require('redis-backplane/' + name); return 'found'; } catch (error) { return error.code; }
      });
      console.log(JSON.stringify([codes, require('redis-backplane/package.json').name]));
    `);
    expect(await resultOf(file, {}, { env })).toEqual([Array(5).fill('ERR_PACKAGE_PATH_NOT_EXPORTED'), 'redis-backplane']);
  });

  test('the package finds itself by its name', async () => {
    expect(await resultOf('self-reference.js', {}, { env })).toEqual({ same: true });
  });
});

test('nothing connects or prints before the first call', async () => {
  let connections = 0;
  const listener = net.createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  const port = await listenOnFreePort(listener);
  const url = `redis://127.0.0.1:${port}`;
  const { code, stdout, stderr } = await runProgram('require-only.js', { url }, { env: { REDIS_URL: url } });
  await new Promise((resolve) => listener.close(resolve));
  expect({ code, stdout, stderr, connections }).toEqual({ code: 0, stdout: '', stderr: '', connections: 0 });
});
