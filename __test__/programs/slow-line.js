'use strict';

// A TCP proxy of bounded bandwidth, in a process of its own so that a test cannot slow it down.
// Argument: `{ port, down, up }`, where to connect to, and bytes per second from there and to there;
// null is unbounded, 0 lets nothing through. A message `{ down, up }` changes them. Prints its port.

const net = require('node:net');

const STEP_MS = 5;
/** What a line holds of one direction of a connection. */
const HIGH_WATER = 64 * 1024;
const { port, ...rates } = JSON.parse(process.argv.at(-1));
const pipes = new Set();

class Pipe {
  #queue = [];
  #held = 0;
  #allowance = 0;

  constructor(source, sink, direction) {
    Object.assign(this, { source, sink, direction });
    source.on('data', (chunk) => {
      this.#queue.push(chunk);
      this.#held += chunk.length;
      this.pump(0);
    });
    for (const event of ['end', 'error', 'close']) {
      source.on(event, () => {
        pipes.delete(this);
        sink.destroy();
      });
    }
    sink.on('error', () => source.destroy());
    pipes.add(this);
  }

  pump(elapsedMs) {
    const rate = rates[this.direction];
    // What was not used is not saved up, but for the fraction of a byte.
    this.#allowance = rate === null ? Infinity : Math.min(this.#allowance, 1) + (rate * elapsedMs) / 1000;
    while (this.#queue.length > 0 && this.#allowance >= 1) {
      const chunk = this.#queue.shift();
      const part = chunk.subarray(0, Math.floor(Math.min(chunk.length, this.#allowance)));
      if (part.length < chunk.length) this.#queue.unshift(chunk.subarray(part.length));
      this.#allowance -= part.length;
      this.#held -= part.length;
      this.sink.write(part);
    }
    if (this.#held < HIGH_WATER) this.source.resume();
    else this.source.pause();
  }
}

const server = net.createServer({ noDelay: true }, (client) => {
  const upstream = net.connect({ port, host: '127.0.0.1', noDelay: true });
  new Pipe(client, upstream, 'up');
  new Pipe(upstream, client, 'down');
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));

let last = performance.now();
setInterval(() => {
  const now = performance.now();
  for (const pipe of pipes) pipe.pump(now - last);
  last = now;
}, STEP_MS);

process.on('message', (changed) => Object.assign(rates, changed));
process.on('disconnect', () => process.exit());
