'use strict';

// A program that runs as a process of its own and does what a test tells it to. A task is a
// function of the test's, sent as its text: it sees what the program offers and its arguments,
// nothing else of the test. Buffers stay Buffers on the way.

const { fork } = require('node:child_process');
const path = require('node:path');
const { deadline } = require('./until');
const { cleanEnv } = require('./program');

const PROGRAMS = path.join(__dirname, '..', 'programs');
const TASK_DEADLINE_MS = 20_000;
const STOP_DEADLINE_MS = 10_000;

class Remote {
  #child;
  #tasks = new Map();
  #lastTask = 0;
  #output = '';

  constructor(program, argument) {
    this.program = program;
    this.#child = fork(path.join(PROGRAMS, program), [JSON.stringify(argument)], {
      env: cleanEnv(),
      execArgv: ['--unhandled-rejections=strict'],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of ['stdout', 'stderr']) {
      this.#child[stream].setEncoding('utf8').on('data', (text) => {
        this.#output += text;
      });
    }
    this.#child.on('message', ({ id, value, error }) => {
      const { resolve, reject } = this.#tasks.get(id);
      this.#tasks.delete(id);
      if (error) reject(Object.assign(new Error(error.message), error));
      else resolve(value);
    });
    // Not 'close': that never comes after a disconnect.
    this.exited = new Promise((resolve) => this.#child.once('exit', (code, signal) => resolve({ code, signal })));
    this.exited.then((fate) => {
      for (const { reject } of this.#tasks.values()) reject(this.#report('ended', fate));
    });
    // Task 0 is answered when the program has begun.
    this.begun = this.#answer(0, 'begin');
  }

  #report(what, { code, signal }) {
    return new Error(`${this.program} ${what} (${signal ?? code})\n${this.#output}`);
  }

  #answer(id, what) {
    const answer = new Promise((resolve, reject) => this.#tasks.set(id, { resolve, reject }));
    return deadline(answer, TASK_DEADLINE_MS, `${this.program}: ${what}`);
  }

  /** Resolves to what the task, which may be async, answers. */
  async run(task, ...args) {
    if (!this.#child.connected) throw this.#report('is no longer there', await this.exited);
    this.#lastTask += 1;
    const answer = this.#answer(this.#lastTask, String(task));
    this.#child.send({ id: this.#lastTask, task: String(task), args });
    return answer;
  }

  /** The process has to end by itself, well, now that its parent has nothing more to say. */
  async ends() {
    if (this.#child.connected) this.#child.disconnect();
    const fate = await deadline(this.exited, STOP_DEADLINE_MS, `the end of ${this.program}`).catch((error) => {
      this.#child.kill('SIGKILL');
      throw error;
    });
    if (fate.code !== 0) throw this.#report('did not end well', fate);
  }

  /** Asks the program to stop, and expects that it ends by itself. */
  async stop() {
    await this.run(({ stop }) => stop());
    await this.ends();
  }

  async kill() {
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}

async function startRemote(program, argument = {}) {
  const remote = new Remote(program, argument);
  await remote.begun;
  return remote;
}

/** In the program: carries out tasks with what is `offered`, one of which is `stop`. */
function serve(offered) {
  process.on('message', async ({ id, task, args }) => {
    try {
      const value = await new Function(`return (${task})`)()(offered, ...args);
      process.send({ id, value });
    } catch (error) {
      process.send({ id, error: { message: error.message, code: error.code } });
    }
  });
  process.send({ id: 0 });
}

module.exports = { serve, startRemote };
