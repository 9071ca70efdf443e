'use strict';

const net = require('node:net');
const { Decoder, encodeCommand } = require('./resp');

function bulksToStrings(value) {
  if (Buffer.isBuffer(value)) return value.toString();
  return Array.isArray(value) ? value.map(bulksToStrings) : value;
}

class RespClient {
  #decoder = new Decoder();
  #waiting = [];
  #socket;
  closed = false;

  constructor(port) {
    this.#socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk) => this.#receive(chunk));
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('connection closed')));
  }

  #receive(chunk) {
    try {
      for (const reply of this.#decoder.push(chunk)) this.#settle(reply);
    } catch (error) {
      this.#socket.destroy(error);
    }
    if (this.#waiting.length === 0) this.#socket.unref();
  }

  #fail(error) {
    this.closed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  #settle(reply) {
    const { resolve, reject } = this.#waiting.shift();
    if (reply instanceof Error) reject(reply);
    else resolve(reply);
  }

  commandBuffer(...args) {
    if (this.closed) return Promise.reject(new Error('connection closed'));
    this.#socket.ref();
    this.#socket.write(encodeCommand(args));
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  command(...args) {
    return this.commandBuffer(...args).then(bulksToStrings);
  }

  close() {
    this.closed = true;
    this.#socket.destroy();
  }
}

module.exports = { RespClient };
