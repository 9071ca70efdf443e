'use strict';

// Runs jest, in a project of its own, on a file that uses and closes a backplane.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** `use`: more statements for the test. */
const { jest, url, use = '' } = JSON.parse(process.argv[2]);
const ROOT = path.join(__dirname, '..', '..');

const SPEC = `
  const { createBackplane } = require(${JSON.stringify(ROOT)});
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  test('uses a backplane', async () => {
    const backplane = createBackplane({ url: ${JSON.stringify(url)}, keyPrefix: 'run-jest:', logger: silent });
    backplane.getClient().on('error', () => {});
    expect(await backplane.cacheSet('k', 1)).toBe(true);
    expect(await backplane.cacheGetOrSet('k2', async () => 2)).toBe(2);
    expect(await backplane.cacheDeletePattern('k*')).toBe(2);
    await expect(backplane.cacheGet('')).rejects.toBeInstanceOf(RangeError);
    ${use}
    await backplane.close();
  });
`;

const project = fs.mkdtempSync(path.join(os.tmpdir(), 'redis-backplane-jest-'));
fs.writeFileSync(path.join(project, 'package.json'), '{}');
fs.writeFileSync(path.join(project, 'use.spec.js'), SPEC);
const { status, stdout, stderr } = spawnSync(process.execPath, [jest, '--rootDir', project, '--detectOpenHandles', '--ci'], {
  cwd: project,
  encoding: 'utf8',
  timeout: 20_000,
});
fs.rmSync(project, { recursive: true, force: true });
console.log(stdout, stderr);
process.exitCode = status ?? 99;
