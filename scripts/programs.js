'use strict';

// The programs that the tests need: their paths, and how to install Debian's.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

// policy-rc.d keeps a package from starting a server of its own.
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
apt-get install -y --no-install-recommends "$1"
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

/** The first of several names that exists. */
function firstOnPath(names) {
  return names.map(onPath).find(Boolean);
}

function succeeds(command, args, output = 'ignore') {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', output, output] });
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
}

/** Whether a Debian package has been installed; not without the permission to do so. */
async function installPackage(name) {
  if (!onPath('apt-get')) return false;
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && !(await succeeds('sudo', ['-n', 'true']))) return false;
  const install = ['sh', '-c', INSTALL_SCRIPT, 'sh', name];
  const [command, ...args] = isRoot ? install : ['sudo', '-n', ...install];
  return succeeds(command, args, process.stderr.fd);
}

module.exports = { firstOnPath, installPackage, succeeds };
