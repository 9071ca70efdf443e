'use strict';

const { callSafely, emitSafely } = require('./listeners');
const { Kind } = require('./subscriptions');

/** The events of each kind of topic: with strings, and with Buffers. */
const EVENTS = [
  ['message', 'messageBuffer'],
  ['pmessage', 'pmessageBuffer'],
  ['smessage', 'smessageBuffer'],
];

/** A channel or pattern with the listeners of node-redis, the events of ioredis, or both. */
class ClientTopic {
  constructor(core, client) {
    this.core = core;
    this.client = client;
    this.isJson = false;
    /** Replaced, never mutated: a listener may subscribe or unsubscribe while it is called. */
    this.listeners = [];
    this.emits = false;
  }

  get isUsed() {
    return this.emits || this.listeners.length > 0;
  }

  add(listener, asBytes) {
    this.listeners = [...this.listeners, { listener, asBytes, isEnded: false }];
  }

  clear() {
    this.#end(() => true);
    this.emits = false;
  }

  /** Without `asBytes`: with either kind it was added with. */
  remove(listener, asBytes) {
    this.#end((one) => one.listener === listener && (asBytes === undefined || one.asBytes === asBytes));
  }

  #end(isMeant) {
    for (const one of this.listeners) one.isEnded ||= isMeant(one);
    this.listeners = this.listeners.filter(({ isEnded }) => !isEnded);
  }

  deliverBytes(bytes, start, middle, end) {
    const channel = start < 0 ? new Content(this.name) : new Content(undefined, bytes, start, middle);
    const payload = new Content(undefined, bytes, middle, end);
    const { logger } = this.core;
    for (const { listener, asBytes, isEnded } of this.listeners) {
      if (isEnded) continue;
      if (asBytes) callSafely(logger, listener, undefined, payload.bytes, channel.bytes);
      else callSafely(logger, listener, undefined, payload.text, channel.text);
    }
    if (this.emits) this.emit(channel, payload);
  }

  emit(channel, payload) {
    const { logger } = this.core;
    const { client } = this;
    const [asText, asBytes] = EVENTS[this.kind];
    const pattern = this.kind === Kind.PATTERN ? [this.name] : [];
    if (client.listenerCount(asText) > 0) {
      emitSafely(logger, client, asText, ...pattern, channel.text, payload.text);
    }
    if (client.listenerCount(asBytes) > 0) {
      emitSafely(logger, client, asBytes, ...pattern, channel.bytes, payload.bytes);
    }
  }
}

/** Text or bytes or both, each created once and only on demand. */
class Content {
  #text;
  #bytes;
  #page;
  #start;
  #end;

  /** Without a text it is a slice of a page, which is valid only during the call. */
  constructor(text, page, start, end) {
    this.#text = text;
    this.#page = page;
    this.#start = start;
    this.#end = end;
  }

  get text() {
    this.#text ??= this.#page.utf8Slice(this.#start, this.#end);
    return this.#text;
  }

  /** A separate Buffer, which keeps nothing else alive. */
  get bytes() {
    this.#bytes ??= this.#page === undefined ? Buffer.from(this.#text) : this.#copy();
    return this.#bytes;
  }

  #copy() {
    const copy = Buffer.allocUnsafe(this.#end - this.#start);
    this.#page.copy(copy, 0, this.#start, this.#end);
    return copy;
  }
}

module.exports = { ClientTopic };
