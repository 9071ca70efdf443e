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
