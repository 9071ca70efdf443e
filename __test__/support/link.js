'use strict';

const net = require('node:net');
const { Pipe, reset } = require('./pipe');

/** One accepted connection and, unless it fell into a black hole, its connection to the target. */
class Link {
  #client;
  #upstream;
  #request;
  #reply;

  constructor(client, targetPort, { request, reply }, flowing) {
    this.#client = client;
    this.#upstream = targetPort === null ? null : connect(targetPort);
    this.#request = new Pipe(client, this.#upstream, request, flowing.request);
    if (this.#upstream) this.#reply = new Pipe(this.#upstream, client, reply, flowing.reply);
    else client.on('end', () => client.destroy());
  }

  flow({ request, reply }) {
    this.#request.open = request;
    if (this.#reply) this.#reply.open = reply;
  }

  /** One side hears the end and may go on sending; nothing is sent to it any more. */
  halfClose(side) {
    const socket = side === 'client' ? this.#client : this.#upstream;
    socket?.end();
  }

  reset() {
    reset(this.#client);
    if (this.#upstream) reset(this.#upstream);
  }
}

function connect(port) {
  return net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
}

module.exports = { Link };
