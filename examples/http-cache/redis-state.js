'use strict';

// Follows the client's events, to tell visitors where their pictures are stored.

const EventEmitter = require('node:events');
const { getClient } = require('../..'); // = require('redis-backplane')

const KEPT = 10;

class RedisState extends EventEmitter {
  #reason = '';
  /** Newest first: `{ state, at, reason, afterMs }`. */
  history = [];

  constructor() {
    super();
    const client = getClient();
    client.on('error', (error) => (this.#reason = error.message));
    client.on('ready', () => this.#enter('ready'));
    client.on('reconnecting', () => this.#enter('memory', this.#reason));
    if (client.status !== 'end') this.#enter('connecting');
  }

  get now() {
    return this.history[0].state;
  }

  #enter(state, reason = '') {
    const [before] = this.history;
    if (before?.state === state) return;
    const at = Date.now();
    const change = { state, at, reason, before: before?.state ?? null, afterMs: before ? at - before.at : 0 };
    // Connecting is not recorded in the history.
    if (before?.state === 'connecting') this.history.shift();
    this.history = [change, ...this.history].slice(0, KEPT);
    this.emit('change', change);
  }
}

module.exports = { RedisState };
