'use strict';

const net = require('node:net');
const { listen, listenOnFreePort } = require('../../scripts/free-port');
const { Link } = require('./link');

const FLOWING = { request: true, reply: true };
const STALLED = { request: false, reply: false };

class Proxy {
  #targetPort;
  #server = null;
  #links = new Set();
  #live = new Set();
  #flowing = FLOWING;
  #blackhole = false;
  #request = { hook: () => {}, delayMs: 0 };
  #reply = { hook: () => {}, delayMs: 0 };

  /** Connections accepted since the start. */
  accepted = 0;

  constructor(targetPort) {
    this.#targetPort = targetPort;
  }

  /** Connections whose client has not ended. */
  get connections() {
    return this.#live.size;
  }

  get url() {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Connections whose client has not ended, oldest first, to `flow` each by itself. */
  get links() {
    return [...this.#live];
  }

  /** Listens (again), on the same port each time. */
  async accept() {
    if (this.#server !== null) return;
    const options = { allowHalfOpen: true, noDelay: true };
    this.#server = net.createServer(options, (client) => this.#admit(client));
    this.port = await (this.port ? listen(this.#server, this.port) : listenOnFreePort(this.#server));
  }

  /** Stops listening; live connections stay. */
  refuse() {
    this.#server?.close();
    this.#server = null;
  }

  #admit(client) {
    this.accepted += 1;
    const target = this.#blackhole ? null : this.#targetPort;
    const link = new Link(client, target, { request: this.#request, reply: this.#reply }, this.#flowing);
    this.#links.add(link);
    this.#live.add(link);
    client.on('end', () => this.#live.delete(link));
    client.on('close', () => {
      this.#live.delete(link);
      this.#links.delete(link);
    });
  }

  #setFlowing(flowing) {
    this.#flowing = flowing;
    for (const link of this.#links) link.flow(flowing);
  }

  /** Lets everything through, what was held first. Connections of a black hole stay dead. */
  flow() {
    this.#blackhole = false;
    this.#setFlowing(FLOWING);
  }

  /** Holds both directions, of new connections too. */
  stall() {
    this.#setFlowing(STALLED);
  }

  /** Holds replies only. */
  stallReplies() {
    this.#setFlowing({ request: true, reply: false });
  }

  /** Holds requests only. */
  stallRequests() {
    this.#setFlowing({ request: false, reply: true });
  }

  /** Stalls, and gives connections accepted from now on to nobody, ever. */
  blackhole() {
    this.#blackhole = true;
    this.stall();
  }

  /** Latency of each direction. */
  delay(ms) {
    this.#request.delayMs = ms;
    this.#reply.delayMs = ms;
  }

  /** `fn(chunk)` on arrival, held or not: a Buffer or string replaces the chunk, null drops it. */
  onRequest(fn) {
    this.#request.hook = fn;
  }

  /** As `onRequest`, for what the target sends. */
  onReply(fn) {
    this.#reply.hook = fn;
  }

  /** Resets all live connections. */
  cut() {
    for (const link of this.#links) link.reset();
  }

  close() {
    this.refuse();
    this.cut();
  }
}

async function startProxy(targetPort) {
  const proxy = new Proxy(targetPort);
  await proxy.accept();
  return proxy;
}

module.exports = { startProxy };
