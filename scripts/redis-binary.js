'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const DOCKER_IMAGE = 'redis:7';

// policy-rc.d keeps the package from starting a server of its own.
const INSTALL_SCRIPT = `
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  trap 'exit 1' INT TERM
  printf '#!/bin/sh\\nexit 101\\n' > $policy
  chmod 755 $policy
fi
apt-get update
apt-get install -y --no-install-recommends redis-server
`;

function onPath(name) {
  const candidates = (process.env.PATH ?? '').split(path.delimiter).map((dir) => path.join(dir, name));
  return candidates.find((candidate) => {
    try {
      fs.accessSync(candidate, fs.constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function succeeds(command, args, output = 'ignore') {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', output, output] });
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
}

function fromPath() {
  const command = process.env.REDIS_SERVER_BIN || onPath('redis-server') || onPath('valkey-server');
  return command ? { command, args: [] } : null;
}

async function fromApt() {
  if (!onPath('apt-get')) return null;
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && !(await succeeds('sudo', ['-n', 'true']))) return null;
  const install = ['sh', '-c', INSTALL_SCRIPT];
  const [command, ...args] = isRoot ? install : ['sudo', '-n', ...install];
  return (await succeeds(command, args, process.stderr.fd)) ? fromPath() : null;
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
