'use strict';

const HIGH_WATER = 1 << 20;

/**
 * Ends a connection as a crash would. Node cannot reset a socket whose own end is under way: it
 * would leave the handle open, and the process spinning at its exit.
 */
function reset(socket) {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/** One direction of a proxied connection: holds what `source` sent until `sink` may have it. */
class Pipe {
  #source;
  #sink;
  #settings;
  #queue = [];
  #held = 0;
  #open;
  #blocked = false;
  #timer = null;

  /** `settings` is read on every chunk: `{ hook, delayMs }`. Without a `sink` nothing ever leaves. */
  constructor(source, sink, settings, open) {
    this.#source = source;
    this.#sink = sink;
    this.#settings = settings;
    this.#open = open && sink !== null;
    source.on('data', (chunk) => this.#receive(chunk));
    source.on('end', () => this.#push(0, () => sink.end()));
    source.on('error', () => this.#push(0, () => reset(sink)));
    sink?.on('drain', () => {
      this.#blocked = false;
      this.#pump();
    });
    sink?.on('close', () => this.#discard());
  }

  set open(open) {
    this.#open = open && this.#sink !== null;
    this.#pump();
  }

  #receive(received) {
    const replacement = this.#settings.hook(received);
    if (replacement === null) return;
    const chunk = typeof replacement === 'string' ? Buffer.from(replacement) : replacement ?? received;
    this.#push(chunk.length, () => {
      this.#blocked = !this.#sink.write(chunk);
    });
  }

  #push(size, deliver) {
    if (this.#sink?.destroyed) return;
    this.#held += size;
    this.#queue.push({ size, deliver, due: performance.now() + this.#settings.delayMs });
    this.#pump();
  }

  #pump() {
    clearTimeout(this.#timer);
    while (this.#open && !this.#blocked && this.#queue.length > 0) {
      const wait = this.#queue[0].due - performance.now();
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#pump(), wait);
        break;
      }
      const { size, deliver } = this.#queue.shift();
      this.#held -= size;
      deliver();
    }
    if (this.#held >= HIGH_WATER) this.#source.pause();
    else this.#source.resume();
  }

  #discard() {
    this.#queue.length = 0;
    this.#held = 0;
    this.#pump();
  }
}

module.exports = { Pipe, reset };
