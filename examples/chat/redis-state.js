'use strict';

// Follows the client's events: whether this instance is one of several now, or alone.

const EventEmitter = require('node:events');

class RedisState extends EventEmitter {
  #told;

  constructor(client) {
    super();
    this.#told = { status: 'degraded', since: Date.now(), reason: 'connecting' };
    let reason = null;
    client.on('error', (error) => (reason = error.message));
    client.on('ready', () => this.#enter('ok', null));
    client.on('reconnecting', () => this.#enter('degraded', reason));
    if (client.status === 'ready') this.#enter('ok', null);
  }

  /** `{ status: 'ok' | 'degraded', since, reason }` */
  get now() {
    return this.#told;
  }

  /** Resolves when Redis is available, or known to be unavailable. */
  async known() {
    if (this.#told.reason === 'connecting') await EventEmitter.once(this, 'change');
  }

  #enter(status, reason) {
    const { status: before, reason: why } = this.#told;
    // Further failed attempts are not news.
    if (before === status && why !== 'connecting') return;
    this.#told = { status, since: Date.now(), reason };
    this.emit('change', this.#told);
  }
}

module.exports = { RedisState };
