'use strict';

const check = require('./check');
const { typeError } = require('./errors');
const { readText } = require('./completion');
const { Op } = require('./queue');

/** The message cache of one backplane. index.d.ts documents each function. */
function createMessageCache(core) {
  /** A result in the local cache is answered at once, any other in its turn. */
  function get(hash) {
    const error = check.key(hash) ?? core.unusable();
    if (error) return Promise.reject(error);
    const { queue, number } = core;
    const found = readText(queue.native.messageReadLocal(number, hash));
    return found ? Promise.resolve(found.value) : queue.send(Op.MessageGet, number, hash);
  }

  function set(hash, result) {
    const error = check.key(hash) ?? core.unusable();
    if (error) return Promise.reject(error);
    const json = check.json(result);
    if (json.error) return Promise.reject(json.error);
    const { queue, number } = core;
    // A get that follows at once must not find the old value.
    queue.native.messageForget(number, hash);
    return queue.send(Op.MessageSet, number, hash, json.text, core.messages.ttlSeconds * 1000);
  }

  function clearExpired() {
    if (core.state() !== 'closed' && core.queue !== null) core.queue.native.messageSweep(core.number);
  }

  async function clear() {
    const error = core.unusable();
    if (error) throw error;
    core.queue.native.messageForgetAll(core.number);
    await core.queue.ask(Op.MessageClear, core.number);
  }

  async function getStats() {
    const error = core.unusable();
    if (error) throw error;
    const memorySize = core.queue.native.localMessages(core.number);
    const { hits, memoryHits, misses } = JSON.parse(core.queue.native.metrics(core.number)).caches.messages;
    const { maxEntries, ttlSeconds } = core.messages;
    const redisAvailable = core.isRedisAvailable();
    return { memorySize, maxSize: maxEntries, maxAgeMs: ttlSeconds * 1000, redisAvailable, hits, memoryHits, misses };
  }

  return { generateHash, get, set, clearExpired, clear, getStats };
}

/** JSON separates the fields, whatever they contain. */
function generateHash(text, senderId, receiverId) {
  if (typeof text !== 'string') throw typeError('E_INVALID_VALUE', `text must be a string, not ${check.kindOf(text)}`);
  const fields = [text.trim().toLowerCase(), idText(senderId, 'senderId'), idText(receiverId, 'receiverId')];
  // Loaded lazily: it takes a fifth of the load time of the package.
  const { createHash } = require('node:crypto');
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex');
}

/** A number is the id that has its digits. There may be no id. */
function idText(id, what) {
  if (id === undefined || id === null) return null;
  if (typeof id === 'string' || typeof id === 'number' || typeof id === 'bigint') return String(id);
  throw typeError('E_INVALID_KEY', `${what} must be a string or a number, not ${check.kindOf(id)}`);
}

module.exports = { createMessageCache };
