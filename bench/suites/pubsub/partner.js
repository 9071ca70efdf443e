'use strict';

const { fork } = require('node:child_process');
const path = require('node:path');

const MAIN = path.join(__dirname, 'partner-main.js');

/** Another process of a side. It ends when this one does. */
class Partner {
  #child = fork(MAIN);
  #pending = null;
  #onArrived = () => {};

  constructor() {
    this.#child.on('message', (message) => this.#take(message));
    this.#child.once('exit', (code, signal) => {
      this.#settle({ error: `another process of this side ended with ${signal ?? code}` });
    });
  }

  open(role, options) {
    return this.#ask({ name: 'open', role, ...options });
  }

  begin(options, onArrived = () => {}) {
    this.#onArrived = onArrived;
    return this.#ask({ name: 'begin', ...options });
  }

  end() {
    return this.#ask({ name: 'end' });
  }

  close() {
    if (this.#child.connected) this.#child.disconnect();
  }

  #ask(message) {
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      if (this.#child.connected) this.#child.send(message);
      else this.#settle({ error: 'another process of this side is gone' });
    });
  }

  #take(message) {
    if (typeof message === 'number') this.#onArrived(message);
    else this.#settle(message);
  }

  #settle({ error, result }) {
    if (error) this.#pending?.reject(new Error(error));
    else this.#pending?.resolve(result);
    this.#pending = null;
  }
}

module.exports = { Partner };
