'use strict';

// The package as its user gets it: packed, installed offline without Rust, used.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const ROOT = path.join(__dirname, '..');
const MB = 1024 * 1024;

const PROGRAM = `
  const { cacheSet, cacheGet, close } = require('redis-backplane');
  const client = require('redis-backplane/redisClient');
  (async () => {
    await cacheSet('key', { a: 1 });
    console.log(JSON.stringify([await cacheGet('key'), await client.cacheGet('key')]));
    await close();
  })();
`;

const MODULES = ['redisClient', 'redisPubSub', 'messageCache', 'sessionCache', 'queryCache', 'presenceService'];

const TYPED = MODULES.map((name) => `import * as ${name} from 'redis-backplane/${name}';`).concat(`
  export const kept: Promise<boolean> = redisClient.cacheSet('key', 1);
  export const hash: string = messageCache.generateHash('text', 'a', 'b');
  export const parts = [redisPubSub.getPubSub, sessionCache.getSession, queryCache.get, presenceService.PresenceService];
  // @ts-expect-error It is typed.
  redisClient.cacheSet();
`).join('\n');

describe('the packed package', () => {
  let directory;
  let project;
  let told;

  beforeAll(() => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'redis-backplane-pack-'));
    project = path.join(directory, 'project');
    fs.mkdirSync(project);
    fs.writeFileSync(path.join(project, 'package.json'), '{ "name": "project", "version": "1.0.0" }');
    run('npm', ['pack', '--ignore-scripts', '--pack-destination', directory], ROOT);
    const tarball = fs.readdirSync(directory).find((name) => name.endsWith('.tgz'));
    told = run('npm', ['install', '--offline', path.join(directory, tarball)], project, ['ignore', 'pipe', fs.openSync(path.join(directory, 'warnings'), 'w')]);
  }, 60_000);

  afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

  /** With Node on the PATH, and neither cargo nor rustc. */
  function run(command, args, cwd, stdio = ['ignore', 'pipe', 'pipe']) {
    const env = { ...process.env, PATH: `${path.dirname(process.execPath)}:/bin`, REDIS_URL: 'redis://127.0.0.1:1' };
    return execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio });
  }

  function installed(...parts) {
    return path.join(project, 'node_modules', 'redis-backplane', ...parts);
  }

  it('works in an empty project', () => {
    const output = run(process.execPath, ['-e', PROGRAM], project);
    expect(JSON.parse(output)).toEqual([{ a: 1 }, { a: 1 }]);
  });

  it.each(MODULES)('has %s, by require and by import', (name) => {
    const program = `
      const required = require('redis-backplane/${name}');
      import('redis-backplane/${name}').then((imported) => {
        console.log(JSON.stringify(Object.keys(required).map((key) => imported[key] === required[key])));
      });
    `;
    const same = JSON.parse(run(process.execPath, ['-e', program], project));
    expect(same.length).toBeGreaterThan(0);
    expect(same).not.toContain(false);
  });

  it.each([
    ['node16', ['--module', 'node16']],
    ['bundler', ['--module', 'esnext', '--moduleResolution', 'bundler']],
  ])('has types for each module (%s)', (_, options) => {
    fs.writeFileSync(path.join(project, 'typed.ts'), TYPED);
    const types = ['--types', 'node', '--typeRoots', path.join(ROOT, 'node_modules/@types')];
    const args = ['--noEmit', '--strict', '--target', 'es2023', '--lib', 'es2023,esnext.disposable', ...types, ...options, 'typed.ts'];
    const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc');
    expect(run(process.execPath, [tsc, ...args], project)).toBe('');
  }, 60_000);

  it('has types for each module where TypeScript reads no exports (node10)', () => {
    const { exports: exported, typesVersions } = JSON.parse(fs.readFileSync(installed('package.json'), 'utf8'));
    for (const name of MODULES) {
      const [types] = typesVersions['*'][name];
      expect(`./${types}`).toBe(exported[`./${name}`].types);
      expect(fs.existsSync(installed(types))).toBe(true);
    }
  });

  it('has no script that whoever installs it would run, or be warned of', () => {
    const { scripts = {} } = JSON.parse(fs.readFileSync(installed('package.json'), 'utf8'));
    const names = Object.keys(scripts).filter((name) => /^(pre|post)?(install|prepare)$/.test(name));
    expect({ names, warnings: fs.readFileSync(path.join(directory, 'warnings'), 'utf8') }).toEqual({ names: [], warnings: '' });
    expect(told).not.toMatch(/script/i);
  });

  it('is built by npm install where its sources are', () => {
    const sources = path.join(directory, 'sources');
    fs.mkdirSync(sources);
    const { name, version, scripts } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
    const build = 'node -e "fs.writeFileSync(\'built\', \'\')"';
    fs.writeFileSync(path.join(sources, 'package.json'), JSON.stringify({ name, version, scripts: { ...scripts, build } }));
    run('npm', ['install', '--offline'], sources);
    expect(fs.existsSync(path.join(sources, 'built'))).toBe(true);
    fs.rmSync(path.join(sources, 'built'));
    run('npm', ['ci', '--offline'], sources);
    expect(fs.existsSync(path.join(sources, 'built'))).toBe(true);
  });

  it('brings nothing else with it', () => {
    expect(fs.readdirSync(path.join(project, 'node_modules')).filter((name) => name[0] !== '.')).toEqual(['redis-backplane']);
    expect(JSON.parse(fs.readFileSync(installed('package.json'), 'utf8')).dependencies).toBeUndefined();
  });

  it('is small', () => {
    const files = fs.readdirSync(installed(), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const size = (entry) => fs.statSync(path.join(entry.parentPath ?? entry.path, entry.name)).size;
    expect(files.reduce((sum, entry) => sum + size(entry), 0)).toBeLessThan(7 * MB);
    const addons = files.filter((entry) => entry.name.endsWith('.node'));
    expect(addons).toHaveLength(1);
    expect(size(addons[0])).toBeLessThan(6 * MB);
  });
});
