'use strict';

const { fork } = require('node:child_process');
const path = require('node:path');
const readline = require('node:readline');

const SERVER = path.join(__dirname, '..', 'server.js');
const PATIENCE_MS = 7000;

/** A server.js in its own process, and the answers to its requests. */
class Instance {
  #child;
  url = null;

  constructor({ name, env, answers }) {
    this.name = name;
    // In its own session: the demo handles Ctrl-C and then ends its instances.
    this.#child = fork(SERVER, [], {
      detached: true,
      env: { ...process.env, ...env, INSTANCE: name },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    /** Resolves to `{ code, signal }`. */
    this.ended = new Promise((resolve) => this.#child.once('exit', (code, signal) => resolve({ code, signal })));
    /** Resolves when its page can be opened. */
    this.listening = new Promise((resolve, reject) => {
      this.#child.on('message', (message) => {
        if (message.type === 'listening') resolve(this.#isAt(message.data.port));
        else this.#answer(answers, message);
      });
      this.ended.then(() => reject(new Error(`Instance ${name} ended while it started.`)));
    });
    // It may end without a listener.
    this.listening.catch(() => {});
    this.#passOn();
  }

  #isAt(port) {
    this.url = `http://localhost:${port}`;
  }

  #passOn() {
    for (const name of ['stdout', 'stderr']) {
      readline.createInterface({ input: this.#child[name] }).on('line', (line) => process[name].write(`${this.name} │ ${line}\n`));
    }
  }

  async #answer(answers, { type, id, data }) {
    try {
      this.tell({ type: 'answer', id, value: await answers[type](data) });
    } catch (error) {
      this.tell({ type: 'answer', id, error: error.message });
    }
  }

  tell(message) {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  async end() {
    const impatience = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE_MS);
    this.#child.kill('SIGTERM');
    await this.ended;
    clearTimeout(impatience);
  }
}

module.exports = { Instance };
