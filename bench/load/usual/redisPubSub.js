'use strict';

// src/infrastructure/pubsub/redisPubSub.js: callbacks by channel, on a connection of its own.

const { EventEmitter } = require('node:events');
const redisClient = require('./redisClient');

const { PREFIX } = redisClient;

class RedisPubSub extends EventEmitter {
  #subscriber = null;
  #callbacks = new Map();

  #listen() {
    this.#subscriber ??= redisClient.createSubscriber().on('message', (channel, text) => this.#take(channel, text));
    return this.#subscriber;
  }

  #take(channel, text) {
    const name = channel.slice(PREFIX.length);
    for (const callback of this.#callbacks.get(name) ?? []) {
      try {
        callback(JSON.parse(text), name);
      } catch (error) {
        console.error(error);
      }
    }
  }

  async initialize() {
    this.#listen();
    return redisClient.isRedisAvailable();
  }

  async subscribe(channel, callback) {
    const isNew = !this.#callbacks.has(channel);
    if (isNew) this.#callbacks.set(channel, new Set());
    this.#callbacks.get(channel).add(callback);
    // ioredis subscribes again by itself after a reconnect.
    if (isNew) await this.#listen().subscribe(PREFIX + channel);
    return true;
  }

  async unsubscribe(channel, callback) {
    const callbacks = this.#callbacks.get(channel);
    callbacks?.delete(callback);
    if (!callbacks || (callback !== undefined && callbacks.size > 0)) return true;
    this.#callbacks.delete(channel);
    await this.#subscriber?.unsubscribe(PREFIX + channel);
    return true;
  }

  publish(channel, data) {
    return redisClient.publish(channel, data);
  }

  async close() {
    this.#subscriber?.disconnect();
    this.#callbacks.clear();
  }
}

let shared;

function getPubSub() {
  shared ??= new RedisPubSub();
  return shared;
}

module.exports = { RedisPubSub, getPubSub };
