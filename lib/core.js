'use strict';

// One backplane as JavaScript sees it: configured at its first call, closed once.

const EventEmitter = require('node:events');

const check = require('./check');
const { now } = require('./clock');
const { resolveConfig } = require('./config');
const { askCredentials } = require('./credentials');
const { closed } = require('./errors');
const { narrate } = require('./log');
const { queue, Op } = require('./queue');

class Core {
  constructor(options) {
    this.options = options;
    this.queue = null;
    this.number = -1;
    this.configError = null;
    this.closing = null;
    this.logger = null;
    this.commandTimeoutMs = 0;
    this.maxQueued = 0;
    this.maxQueuedBytes = 0;
    this.messages = null;
    this.hasLocalCache = false;
    /** Loaders that ran; those that failed; failures for which an old value was served. */
    this.loads = { runs: 0, failures: 0, staleServed: 0 };
    /** How often a cached value was set or deleted here. */
    this.changes = 0;
    /** Checks of a limit that was known to be exhausted. */
    this.deniedLocally = 0;
    this.madeAt = now();
    this.closedAt = 0;
    /** As JSON; of a backplane that has been closed. */
    this.lastMetrics = null;
    /** Emits `state` with `{ state, reason }`. */
    this.events = new EventEmitter().setMaxListeners(0);
    /** Subscribers by number; each has `missed(gap)` and `detach()`. */
    this.receivers = new Map();
    this.lastReceiver = 0;
    /** Of iterators: what has come and has not been taken; each tells its `bytes`. */
    this.inboxes = new Set();
  }

  /** Assigns a number to a subscriber. */
  addReceiver(receiver) {
    this.lastReceiver += 1;
    this.receivers.set(this.lastReceiver, receiver);
    return this.lastReceiver;
  }

  /** Null, or the reason why no call can be made. Configures the backplane at the first call. */
  unusable() {
    if (this.closing !== null) return closed();
    if (this.queue === null && this.configError === null) this.configure();
    return this.configError;
  }

  configure() {
    let config;
    try {
      config = resolveConfig(this.options);
    } catch (error) {
      // Any other error comes from the caller: from a getter or a Proxy.
      const isOurs = String(error?.code).startsWith('E_');
      this.configError = isOurs ? error : check.option('the options cannot be read', error);
      return;
    }
    this.logger = config.logger;
    this.commandTimeoutMs = config.native.commandTimeoutMs;
    this.maxQueued = config.native.maxQueued;
    this.maxQueuedBytes = config.native.maxQueuedBytes;
    this.messages = config.messages;
    this.hasLocalCache = config.native.localCache !== undefined;
    const tell = narrate(config.logger, config.native.mistake !== undefined);
    this.number = queue().open(config.native, (event) => {
      tell(event);
      if (event.state) this.events.emit('state', event);
      if (event.lockLost) this.events.emit('lockLost', event.lockLost);
      if (event.credentialsWanted) this.answerLogin(event.credentialsWanted, config.credentials);
      if (event.gap) this.receivers.get(event.subscriber)?.missed(event.gap);
    });
    this.queue = queue();
  }

  /** Never rejects. No caller waits for an answer after the end. */
  async answerLogin(question, credentials) {
    const { username, password, why } = await askCredentials(credentials);
    this.queue.native.answerLogin(this.number, question, username, password, why);
  }

  /** Starts to connect, unless this was done before. Throws when the configuration is invalid. */
  start() {
    const error = this.unusable();
    if (error) throw error;
    this.queue.post(Op.Start, this.number);
  }

  /** `idle`, `connecting`, `ready`, `degraded` or `closed`. */
  state() {
    if (this.closing !== null) return 'closed';
    return this.queue === null ? 'idle' : this.queue.state(this.number);
  }

  isRedisAvailable() {
    if (this.closing !== null) return false;
    if (this.state() === 'idle') this.start();
    return this.state() === 'ready';
  }

  close() {
    if (this.closing === null) {
      this.closedAt = now();
      this.closing = this.end();
    }
    return this.closing;
  }

  async end() {
    if (this.queue === null) return;
    for (const receiver of this.receivers.values()) receiver.detach();
    // The calls of this tick have been written before, so they go first.
    await this.queue.ask(Op.Close, this.number);
    this.lastMetrics = this.queue.native.metrics(this.number);
    this.queue.forget(this.number);
  }
}

module.exports = { Core };
