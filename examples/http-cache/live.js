'use strict';

// Server-sent events: every open page sees every request and every change of state.

const KEPT_REQUESTS = 12;
const MAX_PAGES = 100;
const HEARTBEAT_MS = 15_000;
const MAX_UNREAD_BYTES = 256 * 1024;

function encode(event, data) {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

class Live {
  #pages = new Set();
  #requests = [];
  #state;
  #heartbeat;

  constructor(redis, hint) {
    this.#state = () => ({ history: redis.history, hint });
    redis.on('change', () => this.#send('state', this.#state()));
    // A page that disconnected silently is noticed by writing to it.
    this.#heartbeat = setInterval(() => this.#write(': still here\n\n'), HEARTBEAT_MS);
  }

  /** Returns false if there are too many. */
  open(response) {
    if (this.#pages.size >= MAX_PAGES) return false;
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(encode('state', this.#state()) + encode('requests', this.#requests));
    this.#pages.add(response);
    response.on('close', () => this.#pages.delete(response));
    response.on('error', () => {});
    return true;
  }

  report(request) {
    this.#requests = [request, ...this.#requests].slice(0, KEPT_REQUESTS);
    this.#send('request', request);
  }

  #send(event, data) {
    this.#write(encode(event, data));
  }

  #write(text) {
    for (const page of this.#pages) {
      if (page.writableLength > MAX_UNREAD_BYTES) page.destroy();
      else page.write(text);
    }
  }

  close() {
    clearInterval(this.#heartbeat);
    for (const page of this.#pages) page.end();
  }
}

module.exports = { Live };
