'use strict';

// The client handle: what is left of a Redis client when the functions above do the work.
// Shares the connections of its backplane; ending one ends the other.

const EventEmitter = require('node:events');
const { isUint8Array } = require('node:util').types;

const { typeError, failure } = require('./errors');
const { Op } = require('./queue');

/** The states of the backplane, in the words of ioredis. */
const STATUS = {
  idle: 'wait',
  connecting: 'connecting',
  ready: 'ready',
  degraded: 'reconnecting',
  closed: 'end',
};

class Client extends EventEmitter {
  #core;

  constructor(core) {
    super();
    this.#core = core;
    core.events.on('state', (event) => this.#follow(event));
  }

  get status() {
    return STATUS[this.#core.state()];
  }

  /** Resolves when Redis is ready; rejects when the attempt that is under way fails. */
  async connect() {
    this.#core.start();
    await this.call('PING');
  }

  ping() {
    return this.call('PING');
  }

  call(...words) {
    const command = encode(words);
    const error = command.error ?? this.#core.unusable();
    if (error) return Promise.reject(error);
    return this.#core.queue.sendBytes(Op.Call, this.#core.number, command.bytes);
  }

  sendCommand(words) {
    if (!Array.isArray(words)) {
      return Promise.reject(typeError('E_INVALID_COMMAND', 'sendCommand takes an array'));
    }
    return this.call(...words);
  }

  async quit() {
    await this.#core.close();
    return 'OK';
  }

  disconnect() {
    this.#core.close();
  }

  #follow({ state, reason }) {
    switch (state) {
      case 'ready':
        this.emit('connect');
        this.emit('ready');
        break;
      case 'degraded':
        this.#fail(failure('E_UNAVAILABLE', `Redis unavailable: ${reason}`));
        this.emit('close');
        this.emit('reconnecting');
        break;
      case 'closed':
        this.emit('close');
        this.emit('end');
        break;
      default:
    }
  }

  /** An error that nobody listens to is in the log already; it does not end the process. */
  #fail(error) {
    if (this.listenerCount('error') > 0) this.emit('error', error);
  }
}

/** Each word after its length, as src/binding/dispatch.rs reads them. */
function encode(words) {
  const parts = [];
  for (const word of words.flat()) {
    const bytes = toBytes(word);
    if (bytes === undefined) {
      return { error: typeError('E_INVALID_COMMAND', 'a command is made of strings, numbers and Buffers') };
    }
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    parts.push(length, bytes);
  }
  if (typeof words[0] !== 'string' || words[0] === '') {
    return { error: typeError('E_INVALID_COMMAND', 'a command begins with its name') };
  }
  return { bytes: Buffer.concat(parts) };
}

function toBytes(word) {
  if (typeof word === 'string') return Buffer.from(word);
  if (typeof word === 'number') return Buffer.from(String(word));
  // Also one of another realm: jest and vm contexts have their own.
  if (isUint8Array(word)) return word;
  return undefined;
}

module.exports = { Client };
