'use strict';

const EventEmitter = require('node:events');

const check = require('./check');
const { closed } = require('./errors');
const { callSafely, emitSafely } = require('./listeners');
const { messages } = require('./pubsub-messages');
const { Op } = require('./queue');
const { Kind, Reach, Subscriptions } = require('./subscriptions');

/** Publishing and subscribing in JSON, for one backplane. index.d.ts documents each function. */
function createPubSub(core) {
  let shared;

  function publish(channel, message) {
    const error = check.channel(channel) ?? core.unusable();
    if (error) return Promise.reject(error);
    const json = check.json(message);
    if (json.error) return Promise.reject(json.error);
    return core.queue.send(Op.Publish, core.number, channel, json.text, Reach.EVERYWHERE);
  }

  class RedisPubSub extends EventEmitter {
    #subscriptions = new Subscriptions(core, this);
    #iterators = new Set();
    #isClosed = false;

    async initialize() {
      const error = this.#unusable();
      if (error) throw error;
      return core.queue.ask(Op.Initialize, core.number);
    }

    async subscribe(channel, callback) {
      const error = check.channel(channel) ?? check.callback(callback, 'callback') ?? this.#unusable();
      if (error) throw error;
      const topic = this.#subscriptions.join(Kind.CHANNEL, channel, () => new JsonTopic(core));
      topic.callbacks = [...topic.callbacks, { callback, isEnded: false }];
      return topic.ready;
    }

    async unsubscribe(channel, callback) {
      const error = check.channel(channel) ?? check.optionalCallback(callback, 'callback') ?? this.#unusable();
      if (error) throw error;
      const topic = this.#subscriptions.get(Kind.CHANNEL, channel);
      if (topic === undefined) return true;
      topic.remove(callback);
      if (topic.callbacks.length === 0) await this.#subscriptions.shut(topic);
      return true;
    }

    publish(channel, data) {
      return this.#isClosed ? Promise.reject(closed()) : publish(channel, data);
    }

    messages(channel, options) {
      return messages({ pubSub: this, core, iterators: this.#iterators }, channel, options);
    }

    async close() {
      this.#isClosed = true;
      this.#subscriptions.end();
    }

    /** Called when no more messages will arrive. */
    ended() {
      for (const iterator of this.#iterators) iterator.end();
    }

    get isClosed() {
      return this.#isClosed || core.state() === 'closed';
    }

    /** Called when messages may have been missed. */
    missed(gap) {
      emitSafely(core.logger, this, 'gap', gap);
    }

    #unusable() {
      return this.#isClosed ? closed() : core.unusable();
    }
  }

  function getPubSub() {
    if (shared === undefined || (shared.isClosed && core.state() !== 'closed')) shared = new RedisPubSub();
    return shared;
  }

  return { publish, getPubSub, RedisPubSub };
}

class JsonTopic {
  constructor(core) {
    this.core = core;
    this.isJson = true;
    /** Replaced, never mutated: a callback may subscribe or unsubscribe while it is called. */
    this.callbacks = [];
    this.hasWarned = false;
  }

  /** Removes one callback, or all. */
  remove(callback) {
    const first = this.callbacks.find((one) => one.callback === callback);
    const ended = callback === undefined ? this.callbacks : [first];
    for (const one of ended) if (one) one.isEnded = true;
    this.callbacks = this.callbacks.filter(({ isEnded }) => !isEnded);
  }

  deliver(data) {
    const { logger } = this.core;
    if (data === undefined) {
      this.complain(logger);
      return;
    }
    for (const one of this.callbacks) {
      if (!one.isEnded) callSafely(logger, one.callback, undefined, data, this.name);
    }
  }

  /** Logged prominently only once: whoever sends one such message sends many. */
  complain(logger) {
    const line = 'redis-backplane: a message that is not JSON was dropped';
    if (this.hasWarned) logger.debug(line);
    else logger.warn(line);
    this.hasWarned = true;
  }
}

module.exports = { createPubSub };
