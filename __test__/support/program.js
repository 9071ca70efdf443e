'use strict';

const { spawn } = require('node:child_process');
const path = require('node:path');

const PROGRAMS = path.join(__dirname, '..', 'programs');

/** The environment without what configures the default backplane. */
function cleanEnv() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('REDIS')));
}

/**
 * Runs a program of `__test__/programs` (or a file given by its whole path) to the end that it
 * comes to by itself; one that does not in time is killed and reported. An unhandled rejection
 * ends it with a code other than 0. `argument` arrives as JSON.
 */
function runProgram(file, argument = {}, { env = {}, nodeArgs = [], timeoutMs = 15_000, cwd } = {}) {
  const args = ['--unhandled-rejections=strict', ...nodeArgs, path.resolve(PROGRAMS, file), JSON.stringify(argument)];
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...cleanEnv(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr']) {
    child[stream].setEncoding('utf8').on('data', (text) => {
      output[stream] += text;
    });
  }
  return new Promise((resolve, reject) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      const told = `stdout: ${output.stdout}\nstderr: ${output.stderr}`;
      if (late) reject(new Error(`${file} did not end by itself within ${timeoutMs} ms\n${told}`));
      else resolve({ code, signal, ...output });
    });
  });
}

/** Runs a program that has to end well; resolves to what it printed, parsed from its last line. */
async function resultOf(file, argument, options) {
  const { code, signal, stdout, stderr } = await runProgram(file, argument, options);
  if (code !== 0) throw new Error(`${file} ended with ${signal ?? code}\nstdout: ${stdout}\nstderr: ${stderr}`);
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

module.exports = { cleanEnv, resultOf, runProgram };
