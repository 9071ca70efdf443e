'use strict';

const { io: connect } = require('socket.io-client');
const { startRemote } = require('./remote');
const { deadline, until } = require('./until');

const CONNECT_DEADLINE_MS = 10_000;

/**
 * A client that remembers what it hears, as `[event, ...args]`, and answers when asked; not to
 * `not <its name>`.
 */
class Listener {
  #heard = [];
  #waiting = new Map();

  constructor(port, { name, rooms, namespace = '/' }) {
    this.name = name;
    this.socket = connect(`http://127.0.0.1:${port}${namespace}`, {
      auth: { name, rooms },
      forceNew: true,
      reconnection: false,
      transports: ['websocket'],
    });
    this.disconnected = new Promise((resolve) => this.socket.once('disconnect', resolve));
    this.socket.onAny((event, ...args) => this.#hear(event, args));
  }

  #hear(event, args) {
    if (event === 'marker') {
      this.#waiting.get(args[0])?.();
      return;
    }
    const answer = typeof args.at(-1) === 'function' ? args.pop() : undefined;
    this.#heard.push([event, ...args]);
    if (args[0] !== `not ${this.name}`) answer?.({ by: this.name, args });
  }

  async connected() {
    const { socket } = this;
    const connected = new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('connect_error', reject);
    });
    await deadline(connected, CONNECT_DEADLINE_MS, `${this.name} connects`);
    return this;
  }

  /** Resolves when a marker has come: what was emitted before it has come, too, or never will. */
  marked(marker) {
    const came = new Promise((resolve) => this.#waiting.set(marker, resolve));
    return deadline(came, CONNECT_DEADLINE_MS, `${this.name} hears marker ${marker}`);
  }

  take() {
    return this.#heard.splice(0);
  }
}

/** Server processes, each a `Remote`, and the clients of this process on them. */
class Cluster {
  nodes = [];
  listeners = [];
  #settings;
  #lastMarker = 0;

  /** `settings` go to every node; see programs/socketio-node.js. */
  constructor(settings) {
    this.#settings = settings;
  }

  async addNode(settings) {
    const node = await startRemote('socketio-node.js', { ...this.#settings, ...settings });
    node.port = await node.run(({ port }) => port);
    this.nodes.push(node);
    return node;
  }

  /** Every node knows of every other. */
  async isWhole(count = this.nodes.length) {
    for (const node of this.nodes) {
      const isWhole = () => node.run(async ({ io }, expected) => {
        const counts = await Promise.all(['/', '/second'].map((name) => io.of(name).adapter.serverCount()));
        return counts.every((each) => each === expected);
      }, count);
      await until(isWhole, { what: `${count} servers` });
    }
  }

  async listen(node, options) {
    const listener = new Listener(node.port, options);
    this.listeners.push(listener);
    return listener.connected();
  }

  leave(listener) {
    this.listeners = this.listeners.filter((one) => one !== listener);
    listener.socket.disconnect();
  }

  /** What the clients heard, by name, of what a node did; those that heard nothing are left out. */
  async heardOf(node, task, ...args) {
    await node.run(task, ...args);
    await this.settled(node);
    return this.taken();
  }

  /** What a node has sent until now has come. */
  async settled(node) {
    this.#lastMarker += 1;
    const marker = this.#lastMarker;
    const marked = Promise.all(this.listeners.map((listener) => listener.marked(marker)));
    await node.run(({ io }, number) => ['/', '/second'].forEach((name) => io.of(name).emit('marker', number)), marker);
    await marked;
  }

  taken() {
    const heard = this.listeners.map((listener) => [listener.name, listener.take()]);
    return Object.fromEntries(heard.filter(([, events]) => events.length > 0));
  }

  async end() {
    for (const { socket } of this.listeners.splice(0)) socket.disconnect();
    const ends = await Promise.allSettled(this.nodes.splice(0).map((node) => node.stop()));
    const failure = ends.find(({ status }) => status === 'rejected');
    if (failure) throw failure.reason;
  }
}

module.exports = { Cluster };
