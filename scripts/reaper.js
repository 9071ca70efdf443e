'use strict';

const { spawn } = require('node:child_process');

// An 'exit' handler would not do: Jest gives tests a `process` that never emits it, and a
// SIGKILL runs none. The shell sees its input end whatever way this process dies.
const SCRIPT = 'pids=; while read -r line; do pids=$line; done; [ -z "$pids" ] || kill -9 $pids';

const pids = new Set();
let shell = null;

function startShell() {
  // In its own session, so that Ctrl-C does not end it before its work.
  const child = spawn('sh', ['-c', SCRIPT], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  child.unref();
  child.stdin.unref();
  return child;
}

function report() {
  shell ??= startShell();
  shell.stdin.write(`${[...pids].join(' ')}\n`);
  if (pids.size > 0) return;
  shell.stdin.end();
  shell = null;
}

function killWithUs(pid) {
  pids.add(pid);
  report();
}

function forget(pid) {
  if (pids.delete(pid)) report();
}

module.exports = { forget, killWithUs };
