'use strict';

const os = require('node:os');
const { firstOnPath, installPackage, succeeds } = require('./programs');

const DOCKER_IMAGE = 'redis:7';

function fromPath() {
  const command = process.env.REDIS_SERVER_BIN || firstOnPath(['redis-server', 'valkey-server']);
  return command ? { command, args: [] } : null;
}

async function fromApt() {
  return (await installPackage('redis-server')) ? fromPath() : null;
}

async function fromDocker() {
  if (!(await succeeds('docker', ['info']))) return null;
  if (!(await succeeds('docker', ['pull', DOCKER_IMAGE], process.stderr.fd))) return null;
  const { uid, gid } = os.userInfo();
  const tmp = os.tmpdir();
  // Sharing pids, user and temp directory lets the caller signal the server as if it were a child.
  const sharing = ['--network', 'host', '--pid', 'host', '--user', `${uid}:${gid}`, '-v', `${tmp}:${tmp}`];
  const args = ['run', '--rm', ...sharing, '--entrypoint', 'redis-server', DOCKER_IMAGE];
  return { command: 'docker', args };
}

async function findRedisServer() {
  const found = fromPath() ?? (await fromApt()) ?? (await fromDocker());
  if (found) return found;
  throw new Error('No Redis server found: install redis-server (or valkey-server) so that it is on the PATH.');
}

let found;

/** Resolves to `{ command, args }`, which with a server's own arguments appended starts one. */
function ensureRedisServer() {
  found ??= findRedisServer();
  return found;
}

module.exports = { ensureRedisServer };
