'use strict';

// The JavaScript end of the two queues. All calls of one tick are written into shared memory and
// handed over together; all available answers come back together. The other end, and the layout of
// both, is in src/binding (submission.rs, completion/layout.rs).

const { atEndOfTick, setTimeout } = require('./clock');
const { broken, closed } = require('./errors');
const native = require('./native');
const { readCompletion } = require('./completion');
const { canMakeFunctions, createBuilder } = require('./shaped');

const { CallWord, NO_ANSWER, RecordWord } = native;
const { Size: SIZE, Op: OP, Id: ID, Backplane: BACKPLANE, Text: TEXT, Value: VALUE, Arguments: ARGUMENTS } = CallWord;

const WORDS = 16 * 1024;
const TEXT_BYTES = 256 * 1024;
const VALUE_BYTES = 1024 * 1024;
/**
 * When this much is written, it is handed over before the tick ends, so the I/O thread and the
 * server work while the rest is written. With many calls in flight they are busy anyway, and larger
 * hand-overs cost less.
 */
const EAGER_CALLS = 16;
const EAGER_CALLS_OF_MANY = 32;
const MANY_CALLS = 128;
const EAGER_BYTES = 64 * 1024;
/** But not if one value is this large: later calls for its key in the same tick go with it. */
const LARGE_UNITS = 64 * 1024;
/** How often a thread that does the I/O itself looks for more. */
const LENDING_MS = 5;
/** A call has at most this many words. */
const CALL_WORDS = 16;
/** Bytes that one UTF-16 unit takes in UTF-8, at most. */
const UTF8_PER_UNIT = 3;

/** Calls of this environment on their way to the I/O thread, and their answers. */
class CallQueue {
  constructor(memory) {
    this.memory = memory;
    this.words = memory.calls.words;
    this.textMemory = memory.calls.text;
    this.valueMemory = memory.calls.bytes;
    this.records = memory.completion.records;
    this.builder = createBuilder(memory.completion);
    this.native = new native.Queue(
      memory.calls,
      memory.completion,
      canMakeFunctions(),
      (count, separator, narrowCount, narrow, wideCount, wide, binary, shortStrings, narrowStrings, wideStrings, news) => {
        const strings = { short: shortStrings, narrow: narrowStrings, wide: wideStrings, news };
        this.take({ count, separator, narrowCount, narrow, wideCount, wide, binary, strings });
      },
      // As timers and sockets do. Without it, jest's search for open handles reports this resource.
      { hasRef: () => this.native.isHeld() }
    );
    this.settlers = [];
    this.freeIds = [];
    /**
     * Ids of calls that could not be handed over. It is unknown whether an answer will come, so
     * these ids are not reused.
     */
    this.retiredIds = 0;
    this.listeners = new Map();
    this.topics = new Map();
    this.lastTopic = 0;
    this.readers = {
      settle: (id, value) => this.settle(id, value),
      tell: (backplane, event) => this.tell(backplane, event),
      deliver: (id, value) => this.topics.get(id)?.deliver(value),
      deliverBytes: (id, bytes, start, middle, end) => this.topics.get(id)?.deliverBytes(bytes, start, middle, end),
      trouble: throwLater,
    };
    this.isEnded = false;
    this.reset();
    this.scheduled = false;
    this.lending = null;
    this.flushTick = () => {
      this.scheduled = false;
      this.flush();
    };
    this.resolve = null;
    this.capture = (resolve) => {
      this.resolve = resolve;
    };
  }

  /** Creates a backplane; `listener` receives its events. */
  open(options, listener) {
    const backplane = this.native.open(options);
    this.listeners.set(backplane, listener);
    return backplane;
  }

  /** Drops a closed backplane, and with the last one the queue. */
  forget(backplane) {
    this.listeners.delete(backplane);
    this.native.forget(backplane);
    this.endIfUnused();
  }

  endIfUnused() {
    const isUnused = this.listeners.size === 0 && this.settlers.length === this.freeIds.length + this.retiredIds;
    if (isUnused && !this.isEnded) this.end();
  }

  /** Releases its memory for the next queue. Whoever still holds this queue can write nothing. */
  end() {
    this.isEnded = true;
    // Calls without an answer, for backplanes that no longer exist.
    this.reset();
    this.native.end();
    spareMemory ??= this.memory;
    this.memory = this.words = this.textMemory = this.valueMemory = null;
    if (shared === this) shared = undefined;
  }

  /**
   * Assigns a number to a topic. The topic's `deliver` receives the value of each message that is
   * JSON, or undefined for one that is not. `deliverBytes` receives a Buffer of many messages,
   * valid only during the call, and the positions in it at which the channel (-1: the topic knows
   * it) and the payload begin and end. Neither throws. Numbers are not reused: a message may still
   * be in transit.
   */
  addTopic(topic) {
    this.lastTopic += 1;
    this.topics.set(this.lastTopic, topic);
    return this.lastTopic;
  }

  removeTopic(id) {
    this.topics.delete(id);
  }

  state(backplane) {
    return this.native.state(backplane);
  }

  /** Writes a call without an answer; it may have a number. */
  post(op, backplane, n0) {
    if (this.isEnded) return;
    this.reserve(0, 0);
    this.begin(op, NO_ANSWER, backplane);
    if (n0 !== undefined) this.words[this.used++] = n0;
    this.finish();
  }

  /**
   * Writes a call: its text, its value (a string or bytes) and its numbers, up to the first
   * undefined. Returns a promise of the result; a stored value that is not JSON is `null`.
   */
  send(op, backplane, text, value, n0, n1, n2, n3, n4) {
    if (this.isEnded) return Promise.reject(closed());
    const valueUnits = value === undefined ? 0 : value.length;
    this.reserve(text.length, valueUnits);
    let written;
    try {
      // First of all, because there may be no memory for it.
      if (value !== undefined) written = this.write(value);
    } catch (cause) {
      return Promise.reject(notHandedOver(cause));
    }
    const promise = this.expect(op, backplane);
    const { words, at } = this;
    words[at + TEXT] = text.length;
    this.text += text;
    if (n0 !== undefined) words[this.used++] = n0;
    if (n1 !== undefined) words[this.used++] = n1;
    if (n2 !== undefined) words[this.used++] = n2;
    if (n3 !== undefined) words[this.used++] = n3;
    if (n4 !== undefined) words[this.used++] = n4;
    if (written !== undefined) words[at + VALUE] = written;
    this.finish();
    if (written === undefined) return promise;
    this.holdsLarge ||= valueUnits > LARGE_UNITS;
    if (this.valueBytes >= EAGER_BYTES && !this.holdsLarge) this.flush();
    // The caller may change a Buffer that has not been copied.
    if (this.extras.length > 0 && typeof value !== 'string') this.flush();
    return promise;
  }

  /** Writes a call whose arguments are numbers, or that has none. */
  ask(op, backplane, n0, n1) {
    if (this.isEnded) return Promise.reject(closed());
    this.reserve(0, 0);
    const promise = this.expect(op, backplane);
    if (n0 !== undefined) this.words[this.used++] = n0;
    if (n1 !== undefined) this.words[this.used++] = n1;
    this.finish();
    return promise;
  }

  /** Writes a call whose only arguments are bytes and possibly a number. */
  sendBytes(op, backplane, bytes, n0) {
    if (this.isEnded) return Promise.reject(closed());
    this.reserve(0, 0);
    const promise = this.expect(op, backplane);
    if (n0 !== undefined) this.words[this.used++] = n0;
    this.extras.push(bytes);
    this.words[this.at + VALUE] = -this.extras.length;
    this.finish();
    return promise;
  }

  /** Makes room for one more call, if necessary by handing over what is written. */
  reserve(textUnits, valueUnits) {
    const fits =
      (this.calls < this.eagerCalls || this.holdsLarge) &&
      this.used + CALL_WORDS <= WORDS &&
      (this.text.length + textUnits) * UTF8_PER_UNIT <= TEXT_BYTES &&
      (this.valueBytes === 0 || this.valueBytes + valueUnits * UTF8_PER_UNIT <= VALUE_BYTES);
    if (!fits) this.flush();
  }

  expect(op, backplane) {
    const id = this.freeIds.length > 0 ? this.freeIds.pop() : this.settlers.length;
    this.begin(op, id, backplane);
    this.calls++;
    const promise = new Promise(this.capture);
    this.settlers[id] = this.resolve;
    return promise;
  }

  begin(op, id, backplane) {
    const at = this.used;
    const { words } = this;
    words[at + OP] = op;
    words[at + ID] = id;
    words[at + BACKPLANE] = backplane;
    words[at + TEXT] = 0;
    words[at + VALUE] = 0;
    this.at = at;
    this.used = at + ARGUMENTS;
    if (!this.scheduled) {
      this.scheduled = true;
      atEndOfTick(this.flushTick);
    }
  }

  /** Its arguments have been written. */
  finish() {
    this.words[this.at + SIZE] = this.used - this.at;
  }

  /** Puts a value into shared memory, or beside it if it is too large. Returns its length. */
  write(value) {
    if (value.length * UTF8_PER_UNIT > VALUE_BYTES) {
      this.extras.push(value);
      return -this.extras.length;
    }
    const bytes = this.copy(value);
    this.valueBytes += bytes;
    return bytes;
  }

  copy(value) {
    if (typeof value === 'string') return this.valueMemory.utf8Write(value, this.valueBytes);
    this.valueMemory.set(value, this.valueBytes);
    return value.length;
  }

  /** Hands over what has been written. Never throws: calls that cannot be handed over reject. */
  flush() {
    if (this.used === 0) return;
    let isLent;
    try {
      isLent = this.submit();
    } catch (cause) {
      this.giveUp(cause);
    }
    this.reset();
    if (isLent) this.lend();
  }

  submit() {
    const { text, extras } = this;
    const textBytes = this.textMemory.utf8Write(text, 0);
    const isAscii = textBytes === text.length;
    return this.native.submit(
      this.calls,
      this.used,
      textBytes,
      isAscii,
      this.valueBytes,
      extras.length > 0 ? extras : undefined
    );
  }

  /** Rejects the calls that are written, each once. */
  giveUp(cause) {
    const { words } = this;
    for (let at = 0; at < this.used; at += words[at + SIZE]) {
      const id = words[at + ID];
      if (id === NO_ANSWER) continue;
      const resolve = this.settlers[id];
      this.settlers[id] = undefined;
      this.retiredIds += 1;
      resolve(Promise.reject(notHandedOver(cause)));
    }
  }

  /** Until the system gives a thread for I/O, this one does that work, a little at a time. */
  lend() {
    this.lending ??= setTimeout(() => {
      this.lending = null;
      if (native.Queue.lend() && this.listeners.size > 0) this.lend();
    }, LENDING_MS).unref();
  }

  reset() {
    const underWay = this.settlers.length - this.freeIds.length - this.retiredIds;
    this.eagerCalls = underWay < MANY_CALLS ? EAGER_CALLS : EAGER_CALLS_OF_MANY;
    this.calls = 0;
    this.used = 0;
    /** Where the current call begins. */
    this.at = 0;
    this.text = '';
    this.valueBytes = 0;
    this.extras = [];
    this.holdsLarge = false;
  }

  /** Resolves the calls of a completion, delivers its messages and reports its events, in order. */
  take(completion) {
    readCompletion(completion, this.records, this.builder, this.readers);
    if (this.listeners.size === 0) this.endIfUnused();
  }

  settle(id, value) {
    const resolve = this.settlers[id];
    // Resolved before: its number may belong to another call by now.
    if (resolve === undefined) return;
    this.settlers[id] = undefined;
    this.freeIds.push(id);
    resolve(value);
  }

  tell(backplane, event) {
    const listener = this.listeners.get(backplane);
    if (listener === undefined) return;
    try {
      listener(event);
    } catch (error) {
      // A listener of the caller threw.
      throwLater(error);
    }
  }
}

function notHandedOver(cause) {
  return broken('could not hand over a call', cause);
}

/** An uncaught exception that affects nobody else. */
function throwLater(error) {
  atEndOfTick(() => {
    throw error;
  });
}

/** The memory that both ends of a queue write into. */
function allocate() {
  return {
    calls: {
      words: new Float64Array(WORDS),
      text: Buffer.from(new ArrayBuffer(TEXT_BYTES)),
      bytes: Buffer.from(new ArrayBuffer(VALUE_BYTES)),
    },
    completion: {
      records: new Uint32Array(RecordWord.Size * native.COMPLETION_RECORDS),
      codes: new Int32Array(native.COMPLETION_CODES),
      doubles: new Float64Array(native.COMPLETION_DOUBLES),
      shorts: new Uint32Array(native.COMPLETION_SHORTS),
    },
  };
}

let shared;
/**
 * From a queue that has ended: a program that keeps opening and closing backplanes allocates it
 * only once.
 */
let spareMemory;

/** The queue of this environment, created when it is first needed. */
function queue() {
  if (shared === undefined) {
    shared = new CallQueue(spareMemory ?? allocate());
    spareMemory = undefined;
  }
  return shared;
}

module.exports = { queue, Op: native.Op };
