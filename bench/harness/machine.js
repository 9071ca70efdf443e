'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const BENCH = path.join(__dirname, '..');

function describeMachine(redisVersion) {
  const cpus = os.cpus();
  return {
    cpu: cpus[0].model,
    cores: cpus.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()}`,
    node: process.version,
    redisServer: redisVersion,
    loadAverageAtStart: os.loadavg()[0],
  };
}

function packageVersions(names) {
  return Object.fromEntries(names.map((name) => [name, versionOf(name)]));
}

// Read from disk, since a package's exports may hide its package.json from require.
function versionOf(name) {
  const own = readManifest(path.join(BENCH, '..'));
  if (own.name === name) return own.version;
  return readManifest(path.join(BENCH, 'node_modules', name)).version;
}

function readManifest(folder) {
  return JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
}

module.exports = { describeMachine, packageVersions };
