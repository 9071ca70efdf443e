'use strict';

const { onAbort } = require('./aborts');
const check = require('./check');
const { now } = require('./clock');
const { sizeOf } = require('./size');

/**
 * The messages of a channel, one by one, as `{ data, channel }`. Subscribed from the first `next()`
 * to the end of the loop. A loop that is slower than the channel loses the oldest messages beyond
 * `pubsub.maxQueued` or `pubsub.maxQueuedBytes`, which is a `gap` of the pub/sub.
 */
function messages(around, channel, options) {
  const inbox = new Inbox(around.core);
  const generator = receive(around, inbox, channel, options);
  const finish = generator.return.bind(generator);
  // Works also while a `next()` waits, which would otherwise have to be answered first. Uses
  // defineProperty: with frozen intrinsics, a name that a prototype has cannot be assigned.
  Object.defineProperty(generator, 'return', {
    configurable: true,
    writable: true,
    value(value) {
      inbox.end();
      return finish(value);
    },
  });
  return generator;
}

async function* receive({ pubSub, core, iterators }, inbox, channel, options = {}) {
  const { signal, error } = check.read(() => readOptions(options), 'options', check.option);
  if (error) throw error;
  signal?.throwIfAborted();
  const take = (data) => inbox.put({ data, channel });
  const stop = signal && onAbort(signal, (reason) => inbox.fail(reason));
  iterators.add(inbox);
  core.inboxes.add(inbox);
  try {
    await pubSub.subscribe(channel, take);
    for (;;) {
      const message = await inbox.take((gap) => pubSub.missed(gap));
      if (message === undefined) return;
      yield message;
    }
  } finally {
    iterators.delete(inbox);
    core.inboxes.delete(inbox);
    stop?.();
    if (!pubSub.isClosed) await pubSub.unsubscribe(channel, take);
  }
}

function readOptions(options) {
  const error = check.object(options, 'options');
  if (error) return { error };
  const { signal } = options;
  const wrong = check.abortSignal(signal, 'signal');
  return wrong ? { error: wrong } : { signal };
}

/**
 * Messages that have arrived and not been taken: a ring that is bounded in messages and in bytes.
 */
class Inbox {
  #core;
  #queue = [];
  #head = 0;
  #bytes = 0;
  #overflow = null;
  #wake = null;
  #isEnded = false;
  #failure = null;

  constructor(core) {
    this.#core = core;
  }

  put(message) {
    const isFirst = this.#head === this.#queue.length;
    // A message that is taken at once need not be measured.
    const bytes = isFirst ? 0 : sizeOf(message.data);
    this.#queue.push({ message, bytes });
    this.#bytes += bytes;
    while (this.#isTooFull()) this.#dropOldest();
    this.#wake?.();
  }

  /** About what waits takes. */
  get bytes() {
    const first = this.#queue[this.#head];
    return this.#bytes + (first?.bytes === 0 ? sizeOf(first.message.data) : 0);
  }

  end() {
    this.#isEnded = true;
    this.#wake?.();
  }

  fail(reason) {
    this.#failure = { reason };
    this.#wake?.();
  }

  /** The next message, when it has arrived; undefined at the end. */
  async take(onGap) {
    for (;;) {
      if (this.#failure) throw this.#failure.reason;
      if (this.#overflow) onGap(this.#takeOverflow());
      if (this.#head < this.#queue.length) return this.#shift();
      if (this.#isEnded) return undefined;
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #isTooFull() {
    const count = this.#queue.length - this.#head;
    return count > this.#core.maxQueued || (count > 1 && this.#bytes > this.#core.maxQueuedBytes);
  }

  #shift() {
    const { message, bytes } = this.#queue[this.#head];
    this.#queue[this.#head] = undefined;
    this.#head += 1;
    this.#bytes -= bytes;
    // Moves the rest only when it is the smaller half.
    if (this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return message;
  }

  #dropOldest() {
    this.#shift();
    this.#overflow ??= { since: now(), until: 0, reason: 'overflow', dropped: 0 };
    this.#overflow.until = now();
    this.#overflow.dropped += 1;
  }

  #takeOverflow() {
    const gap = this.#overflow;
    this.#overflow = null;
    return gap;
  }
}

module.exports = { messages };
