'use strict';

const os = require('node:os');
const path = require('node:path');
const { Worker } = require('node:worker_threads');

const WORKER = path.join(__dirname, 'worker.js');
const MAX_WORKERS = 4;
/** Later visitors are asked to come back instead of waiting for half a minute. */
const MAX_WAITING = 16;

function refusal(message) {
  return Object.assign(new Error(message), { status: 503 });
}

/** Computes on other threads, so that this one continues to answer. */
class Pool {
  #free = [];
  #running = new Map();
  #waiting = [];
  #closed = false;

  constructor(size = Math.min(MAX_WORKERS, os.availableParallelism())) {
    for (let started = 0; started < size; started += 1) this.#start();
  }

  #start() {
    const worker = new Worker(WORKER);
    worker.on('message', (result) => this.#settle(worker, 'resolve', result));
    worker.on('error', (error) => this.#settle(worker, 'reject', error));
    worker.on('exit', () => this.#replace(worker));
    this.#free.push(worker);
  }

  #replace(worker) {
    this.#free = this.#free.filter((free) => free !== worker);
    if (this.#closed) return;
    this.#start();
    this.#next();
  }

  #settle(worker, how, value) {
    this.#running.get(worker)?.[how](value);
    this.#running.delete(worker);
    if (how === 'resolve') this.#free.push(worker);
    this.#next();
  }

  #next() {
    if (this.#waiting.length === 0 || this.#free.length === 0) return;
    const worker = this.#free.pop();
    const task = this.#waiting.shift();
    this.#running.set(worker, task);
    worker.postMessage(task.place);
  }

  render(place) {
    if (this.#closed) return Promise.reject(refusal('The server is going away.'));
    if (this.#waiting.length >= MAX_WAITING) return Promise.reject(refusal('Too many pictures at once. Try again soon.'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ place, resolve, reject });
      this.#next();
    });
  }

  async close() {
    this.#closed = true;
    const unfinished = [...this.#waiting.splice(0), ...this.#running.values()];
    for (const { reject } of unfinished) reject(refusal('The server is going away.'));
    const workers = [...this.#free, ...this.#running.keys()];
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

module.exports = { Pool };
