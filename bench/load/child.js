'use strict';

const { fork } = require('node:child_process');
const path = require('node:path');
const { forget, killWithUs } = require('../../scripts/reaper');

/**
 * The space for young objects has its full size from the beginning. V8 reaches this size after the
 * first burst, and memory would grow by it otherwise.
 */
const NODE_OPTIONS = ['--min-semi-space-size=16'];

/** A program of this directory in its own process, which executes orders. */
class Child {
  #child;
  #waiting = new Map();
  #lastId = 0;
  hasEnded = false;

  constructor(program, argument, { env = {}, onEnd = () => {} } = {}) {
    this.#child = fork(path.join(__dirname, program), [JSON.stringify(argument)], {
      env: { ...process.env, ...env },
      execArgv: NODE_OPTIONS,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    });
    this.pid = this.#child.pid;
    killWithUs(this.pid);
    this.#child.on('message', ({ id, value, error }) => {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) reject(new Error(`${program}: ${error}`));
      else resolve(value);
    });
    this.ended = new Promise((resolve) => this.#child.once('exit', (code, signal) => resolve(signal ?? code)));
    this.ended.then((how) => {
      this.hasEnded = true;
      forget(this.pid);
      onEnd(how);
      for (const { reject } of this.#waiting.values()) reject(new Error(`${program} has ended (${how})`));
    });
  }

  ask(order, data = {}) {
    const id = (this.#lastId += 1);
    return new Promise((resolve, reject) => {
      if (this.hasEnded) throw new Error('it has ended');
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, order, data }, (error) => error && reject(error));
    });
  }

  /** Ends it in any state. */
  async end() {
    if (this.hasEnded) return;
    this.#child.send({ id: 0, order: 'end', data: {} }, () => {});
    const impatience = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    await this.ended;
    clearTimeout(impatience);
  }
}

/** In the child: executes orders by name. */
function serve(orders) {
  process.on('message', async ({ id, order, data }) => {
    try {
      const value = await orders[order](data);
      if (order !== 'end') process.send({ id, value });
    } catch (error) {
      process.send({ id, error: error.stack });
    }
  });
  process.once('disconnect', () => process.exit());
}

module.exports = { Child, serve };
