'use strict';

const { fork } = require('node:child_process');

/** Another process of a side, which executes orders. It ends when this one does. */
class Partner {
  #child;
  #pending = null;
  #onArrived = () => {};

  /** @param main the program of that process. */
  constructor(main) {
    this.#child = fork(main);
    this.#child.on('message', (message) => this.#take(message));
    this.#child.once('exit', (code, signal) => {
      this.#settle({ error: `another process of this side ended with ${signal ?? code}` });
    });
  }

  open(role, options) {
    return this.ask('open', { role, ...options });
  }

  begin(options, onArrived = () => {}) {
    this.#onArrived = onArrived;
    return this.ask('begin', options);
  }

  end() {
    return this.ask('end');
  }

  /** One order at a time. */
  ask(name, options) {
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      if (this.#child.connected) this.#child.send({ name, ...options });
      else this.#settle({ error: 'another process of this side is gone' });
    });
  }

  close() {
    if (this.#child.connected) this.#child.disconnect();
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
