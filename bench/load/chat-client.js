'use strict';

// A cheap client of the chat: the few Engine.IO and Socket.IO messages that it needs, over a
// WebSocket.

const WebSocket = require('ws');

const PING = '2';
const PONG = '3';
const OPEN = '0';
const CONNECT = '40';
const EVENT = '42';
const ACK = '43';
const MESSAGE = '42["message",';
const TEXT = '"text":"';

class ChatClient {
  #socket;
  #waiting = new Map();
  #lastId = 0;
  #onMessage;
  #connected;
  isOpen = false;

  /** `onMessage(text)`: called for each message of its room; `onEnd()`: the connection is lost. */
  constructor(port, { onMessage, onEnd }) {
    this.#onMessage = onMessage;
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`, { perMessageDeflate: false });
    this.#connected = new Promise((resolve, reject) => {
      this.connect = resolve;
      this.#socket.once('error', reject);
    });
    this.#socket.on('message', (data) => this.#take(data.toString('latin1')));
    this.#socket.on('close', () => {
      if (this.isOpen) onEnd();
      this.isOpen = false;
    });
  }

  async connected() {
    await this.#connected;
    this.isOpen = true;
    this.#socket.on('error', () => {});
    return this;
  }

  #take(packet) {
    if (packet.startsWith(MESSAGE)) this.#hear(packet);
    else if (packet.startsWith(ACK)) this.#answer(packet);
    else if (packet.startsWith(PING)) this.#socket.send(PONG);
    else if (packet.startsWith(OPEN)) this.#socket.send(CONNECT);
    else if (packet.startsWith(CONNECT)) this.connect();
  }

  #hear(packet) {
    const from = packet.indexOf(TEXT) + TEXT.length;
    this.#onMessage(packet.slice(from, packet.indexOf('"', from)));
  }

  #answer(packet) {
    const from = packet.indexOf('[');
    const id = packet.slice(ACK.length, from);
    const resolve = this.#waiting.get(id);
    this.#waiting.delete(id);
    resolve?.(JSON.parse(packet.slice(from))[0]);
  }

  /** Resolves with the acknowledgement. */
  ask(event, payload) {
    const id = String((this.#lastId += 1));
    const answered = new Promise((resolve) => this.#waiting.set(id, resolve));
    this.#socket.send(`${EVENT}${id}${JSON.stringify([event, payload])}`);
    return answered;
  }

  close() {
    this.isOpen = false;
    this.#socket.terminate();
  }
}

module.exports = { ChatClient };
