'use strict';

const { spawn } = require('node:child_process');
const path = require('node:path');

const ROOT = path.join(__dirname, '..');
const BIN = path.join(ROOT, 'node_modules', '.bin');

/**
 * Runs a tool in the project root and shows its output as it comes. Resolves to its exit code.
 * After `timeoutMs` (default: no limit) the tool is killed and counts as failed.
 */
function run(command, args, { env = {}, onStdout, timeoutMs } = {}) {
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { ...process.env, PATH: `${BIN}${path.delimiter}${process.env.PATH}`, ...env },
    stdio: ['ignore', onStdout ? 'pipe' : 'inherit', 'inherit'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  child.stdout?.on('data', (chunk) => {
    process.stdout.write(chunk);
    onStdout(chunk);
  });
  return new Promise((resolve) => {
    child.once('error', (error) => {
      console.error(`${command}: ${error.message}`);
      resolve(127);
    });
    child.once('close', (code, signal) => {
      if (signal) console.error(`${command}: ended by ${signal}`);
      resolve(signal ? 1 : code);
    });
  });
}

module.exports = { ROOT, run };
