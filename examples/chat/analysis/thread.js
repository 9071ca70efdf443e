'use strict';

const path = require('node:path');
const { Worker } = require('node:worker_threads');

const WORKER = path.join(__dirname, 'worker.js');

/**
 * Analyses one text at a time on a separate thread, so that the event loop stays free for the chat.
 */
class AnalysisThread {
  #worker = null;
  #settle = null;

  #start() {
    const worker = new Worker(WORKER);
    worker.on('message', (analysis) => this.#settle.resolve(analysis));
    worker.on('error', (error) => this.#settle?.reject(error));
    // The next text gets a new one.
    worker.on('exit', () => {
      this.#worker = null;
      this.#settle?.reject(new Error('The analysis was interrupted.'));
    });
    // An idle thread does not keep the process alive.
    worker.unref();
    return worker;
  }

  async analyse(text) {
    this.#worker ??= this.#start();
    try {
      return await new Promise((resolve, reject) => {
        this.#settle = { resolve, reject };
        this.#worker.postMessage(text);
      });
    } finally {
      this.#settle = null;
    }
  }

  async close() {
    await this.#worker?.terminate();
  }
}

module.exports = { AnalysisThread };
