'use strict';

// An instance started by `npm run demo` asks the demo's process for the database and Redis.

class DemoLink {
  #asked = new Map();
  #last = 0;
  /** The other instances, as reported by the demo. */
  others = [];

  constructor() {
    process.on('message', (message) => this.#hear(message));
    /** Resolves when the demo's process has ended, for any reason. */
    this.gone = new Promise((resolve) => process.once('disconnect', resolve));
    this.gone.then(() => this.#forget());
  }

  #hear({ type, id, value, error, others }) {
    if (type === 'others') this.others = others;
    if (type !== 'answer') return;
    const { resolve, reject } = this.#asked.get(id);
    this.#asked.delete(id);
    if (error) reject(new Error(error));
    else resolve(value);
  }

  #forget() {
    for (const { reject } of this.#asked.values()) reject(new Error('The demo has ended.'));
    this.#asked.clear();
  }

  ask(type, data) {
    return new Promise((resolve, reject) => {
      if (!process.connected) throw new Error('The demo has ended.');
      this.#last += 1;
      this.#asked.set(this.#last, { resolve, reject });
      process.send({ type, id: this.#last, data }, (error) => error && reject(error));
    });
  }

  tell(type, data) {
    if (process.connected) process.send({ type, data }, () => {});
  }

  close() {
    if (process.connected) process.disconnect();
  }
}

module.exports = { DemoLink };
