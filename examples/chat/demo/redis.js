'use strict';

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { freePort } = require('../../../scripts/free-port');
const { forget, killWithUs } = require('../../../scripts/reaper');

const NAMES = ['redis-server', 'valkey-server'];
const PATIENCE_MS = 5000;
const READY = 'Ready to accept connections';

function isExecutable(file) {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

function findOnPath() {
  const directories = (process.env.PATH ?? '').split(path.delimiter).filter(Boolean);
  const candidates = NAMES.flatMap((name) => directories.map((directory) => path.join(directory, name)));
  return candidates.find(isExecutable) ?? null;
}

/**
 * The demo's own Redis, which writes nothing to disk. Starts and stops, always on the same port.
 */
class OwnRedis {
  #command;
  #port;
  #child = null;
  #turn = Promise.resolve();
  #onEnd;

  constructor(command, port, onEnd) {
    this.#command = command;
    this.#port = port;
    this.#onEnd = onEnd;
  }

  get url() {
    return `redis://127.0.0.1:${this.#port}`;
  }

  get name() {
    return `${path.basename(this.#command)}, started here on port ${this.#port}`;
  }

  /** Resolves when it is in the requested state; requests run one after the other. */
  run(isToRun) {
    const done = this.#turn.then(() => (isToRun ? this.#start() : this.#stop()));
    this.#turn = done.catch(() => {});
    return done;
  }

  async #start() {
    if (this.#child !== null) return;
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'redis-backplane-chat-'));
    try {
      const child = this.#spawn(directory);
      await untilReady(child, this.#command);
    } finally {
      // It exists already, or never did. Either way nothing is left behind, whatever happens to
      // this process.
      fs.rmSync(directory, { recursive: true, force: true });
    }
  }

  #spawn(directory) {
    const settings = ['--port', this.#port, '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no'];
    // In its own session, like the instances, which end first.
    const child = spawn(this.#command, settings.map(String), { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child = child;
    if (child.pid) killWithUs(child.pid);
    child.on('error', () => {});
    child.once('close', () => {
      if (child.pid) forget(child.pid);
      this.#child = null;
      this.#onEnd();
    });
    return child;
  }

  async #stop() {
    const child = this.#child;
    if (child === null) return;
    const impatience = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    child.kill('SIGTERM');
    await once(child, 'close');
    clearTimeout(impatience);
  }
}

function untilReady(child, command) {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      if (output.includes(READY)) return;
      output += text;
      if (output.includes(READY)) resolve();
    });
    child.once('close', () => reject(new Error(`${command} does not start:\n${output}`)));
  });
}

/** Returns `null` if there is none on PATH. `onEnd` is called whenever it has ended. */
async function findRedis(onEnd) {
  const command = findOnPath();
  return command === null ? null : new OwnRedis(command, await freePort(), onEnd);
}

module.exports = { findRedis };
