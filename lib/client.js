'use strict';

// The client handle: what is left of a Redis client when the functions above do the work, in the
// styles of ioredis and node-redis. All handles of a backplane share its connection for commands;
// each that subscribes has one more, for what it receives.

const EventEmitter = require('node:events');
const { isUint8Array } = require('node:util').types;

const check = require('./check');
const { typeError, failure, closed } = require('./errors');
const { callSafely, emitSafely } = require('./listeners');
const { Op } = require('./queue');
const { readSubscribe, readUnsubscribe } = require('./subscribe-arguments');
const { Kind, Reach, Subscriptions } = require('./subscriptions');

/** The states of the backplane, in the words of ioredis. */
const STATUS = {
  idle: 'wait',
  connecting: 'connecting',
  ready: 'ready',
  degraded: 'reconnecting',
  closed: 'end',
};
/** The events of each kind of topic: with strings, and with Buffers. */
const EVENTS = [
  ['message', 'messageBuffer'],
  ['pmessage', 'pmessageBuffer'],
  ['smessage', 'smessageBuffer'],
];
const COUNTS = { NUMSUB: Reach.EVERYWHERE, SHARDNUMSUB: Reach.SHARD };

class Client extends EventEmitter {
  #core;
  #isRoot;
  #subscriptions;
  #isEnded = false;
  #follower = (event) => this.#follow(event);

  /** The root is the backplane itself: its end is the end of the backplane. */
  constructor(core, { isRoot }) {
    super();
    // Libraries add listeners for each of their own parts.
    this.setMaxListeners(0);
    this.#core = core;
    this.#isRoot = isRoot;
    this.#subscriptions = new Subscriptions(core, this);
    core.events.on('state', this.#follower);
    if (!isRoot && core.state() === 'ready') setImmediate(() => this.#announce());
  }

  get status() {
    return this.#isEnded ? 'end' : STATUS[this.#core.state()];
  }

  get isOpen() {
    return this.status !== 'wait' && this.status !== 'end';
  }

  get isReady() {
    return this.status === 'ready';
  }

  /** Resolves when Redis is ready; rejects when the attempt that is under way fails. */
  async connect() {
    this.#core.start();
    await this.call('PING');
  }

  ping() {
    return this.call('PING');
  }

  call(...words) {
    const command = encode(words);
    const error = command.error ?? this.#unusable();
    if (error) return Promise.reject(error);
    return this.#core.queue.sendBytes(Op.Call, this.#core.number, command.bytes);
  }

  sendCommand(words) {
    if (!Array.isArray(words)) {
      return Promise.reject(typeError('E_INVALID_COMMAND', 'sendCommand takes an array'));
    }
    const [name, what, ...channels] = words;
    const reach = String(name).toUpperCase() === 'PUBSUB' ? COUNTS[String(what).toUpperCase()] : undefined;
    return reach === undefined ? this.call(...words) : this.#receivers(reach, channels);
  }

  /** Another handle, for subscriptions of its own. */
  duplicate() {
    return new Client(this.#core, { isRoot: false });
  }

  async quit() {
    if (this.#isRoot) await this.#core.close();
    else this.#end();
    return 'OK';
  }

  disconnect() {
    this.quit();
  }

  publish(channel, message) {
    return this.#publish(Reach.EVERYWHERE, channel, message);
  }

  spublish(channel, message) {
    return this.#publish(Reach.SHARD, channel, message);
  }

  sPublish(channel, message) {
    return this.#publish(Reach.SHARD, channel, message);
  }

  subscribe(...args) {
    return this.#subscribe(Kind.CHANNEL, args);
  }

  psubscribe(...args) {
    return this.#subscribe(Kind.PATTERN, args);
  }

  pSubscribe(...args) {
    return this.#subscribe(Kind.PATTERN, args);
  }

  ssubscribe(...args) {
    return this.#subscribe(Kind.SHARD, args);
  }

  sSubscribe(...args) {
    return this.#subscribe(Kind.SHARD, args);
  }

  unsubscribe(...args) {
    return this.#unsubscribe(Kind.CHANNEL, args);
  }

  punsubscribe(...args) {
    return this.#unsubscribe(Kind.PATTERN, args);
  }

  pUnsubscribe(...args) {
    return this.#unsubscribe(Kind.PATTERN, args);
  }

  sunsubscribe(...args) {
    return this.#unsubscribe(Kind.SHARD, args);
  }

  sUnsubscribe(...args) {
    return this.#unsubscribe(Kind.SHARD, args);
  }

  /** Called when messages may have been missed. */
  missed(gap) {
    emitSafely(this.#core.logger, this, 'gap', gap);
  }

  /** Called when the backplane ends; the state tells. */
  ended() {}

  #publish(reach, channel, message) {
    const error = check.channel(channel) ?? payloadError(message) ?? this.#unusable();
    if (error) return rejected(error);
    const { queue, number } = this.#core;
    return queue.send(Op.Publish, number, channel, message, reach);
  }

  #receivers(reach, channels) {
    const names = encode(channels);
    const error = names.error ?? this.#unusable();
    if (error) return rejected(error);
    const { queue, number } = this.#core;
    const counts = queue.sendBytes(Op.Receivers, number, names.bytes, reach);
    return counts.then((each) => channels.flatMap((channel, i) => [channel, each[i] ?? 0]));
  }

  #subscribe(kind, args) {
    const request = readSubscribe(args);
    const error = request.error ?? this.#unusable();
    return error ? rejected(error) : this.#listenToAll(kind, request);
  }

  async #listenToAll(kind, request) {
    await Promise.all(request.names.map((name) => this.#listen(kind, name, request)));
    const count = this.#count(kind);
    if (request.callback) callSafely(this.#core.logger, request.callback, undefined, null, count);
    return count;
  }

  #listen(kind, name, { listener, asBytes }) {
    const known = this.#subscriptions.get(kind, name);
    const topic = known ?? this.#subscriptions.open(new ClientTopic(this.#core, this), kind, name, false);
    if (listener) topic.listeners.push({ listener, asBytes });
    else topic.emits = true;
    return topic.ready;
  }

  async #unsubscribe(kind, args) {
    const request = readUnsubscribe(args);
    if (request.error) throw request.error;
    if (this.status === 'end') return 0;
    const names = request.names ?? this.#subscriptions.all(kind).map(({ name }) => name);
    await Promise.all(names.map((name) => this.#unlisten(this.#subscriptions.get(kind, name), request)));
    return this.#count(kind);
  }

  #unlisten(topic, { listener, asBytes }) {
    if (topic === undefined) return undefined;
    if (listener) topic.remove(listener, asBytes);
    else topic.clear();
    return topic.isUsed ? undefined : this.#subscriptions.shut(topic);
  }

  /** As Redis counts: channels and patterns together, sharded channels by themselves. */
  #count(kind) {
    if (kind === Kind.SHARD) return this.#subscriptions.size(Kind.SHARD);
    return this.#subscriptions.size(Kind.CHANNEL) + this.#subscriptions.size(Kind.PATTERN);
  }

  #unusable() {
    return this.#isEnded ? closed() : this.#core.unusable();
  }

  #follow({ state, reason }) {
    switch (state) {
      case 'ready':
        this.#announce();
        break;
      case 'degraded':
        this.#fail(failure('E_UNAVAILABLE', `Redis unavailable: ${reason}`));
        this.emit('close');
        this.emit('reconnecting');
        break;
      case 'closed':
        this.#end();
        break;
      default:
    }
  }

  #announce() {
    if (this.status !== 'ready') return;
    this.emit('connect');
    this.emit('ready');
  }

  #end() {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#core.events.off('state', this.#follower);
    this.#subscriptions.end();
    this.emit('close');
    this.emit('end');
  }

  /** An error that nobody listens to is in the log already; it does not end the process. */
  #fail(error) {
    if (this.listenerCount('error') > 0) this.emit('error', error);
  }
}

/** A channel or pattern, with the listeners of node-redis, the events of ioredis, or both. */
class ClientTopic {
  constructor(core, client) {
    this.core = core;
    this.client = client;
    this.listeners = [];
    this.emits = false;
  }

  get isUsed() {
    return this.emits || this.listeners.length > 0;
  }

  clear() {
    this.listeners = [];
    this.emits = false;
  }

  remove(listener, asBytes) {
    const is = (one) => one.listener === listener && (asBytes === undefined || one.asBytes === asBytes);
    this.listeners = this.listeners.filter((one) => !is(one));
  }

  deliverBytes(bytes, start, middle, end) {
    const channel = start < 0 ? new Content(this.name) : new Content(undefined, bytes, start, middle);
    const payload = new Content(undefined, bytes, middle, end);
    const { logger } = this.core;
    for (const { listener, asBytes } of this.listeners) {
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

/** Text, or bytes, or both, each made once and only when it is asked for. */
class Content {
  #text;
  #bytes;
  #page;
  #start;
  #end;

  /** Without a text it is a part of a page, which is good only now. */
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

  /** A Buffer of its own, which keeps nothing else alive. */
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

/** A rejection that does not end the process when nobody looks: libraries do not await these. */
function rejected(error) {
  const promise = Promise.reject(error);
  if (error.code === 'E_CLOSED') promise.catch(() => {});
  return promise;
}

function payloadError(message) {
  if (typeof message !== 'string' && !isUint8Array(message)) {
    return typeError('E_INVALID_VALUE', `a message is a string or a Buffer, not ${check.kindOf(message)}`);
  }
  return check.payload(message);
}

/** Each word after its length, as src/binding/dispatch.rs reads them. */
function encode(words) {
  const parts = [];
  for (const word of words.flat()) {
    const bytes = toBytes(word);
    if (bytes === undefined) {
      return { error: typeError('E_INVALID_COMMAND', 'a command is made of strings, numbers and Buffers') };
    }
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    parts.push(length, bytes);
  }
  if (typeof words[0] !== 'string' || words[0] === '') {
    return { error: typeError('E_INVALID_COMMAND', 'a command begins with its name') };
  }
  return { bytes: Buffer.concat(parts) };
}

function toBytes(word) {
  if (typeof word === 'string') return Buffer.from(word);
  if (typeof word === 'number') return Buffer.from(String(word));
  // Also one of another realm: jest and vm contexts have their own.
  if (isUint8Array(word)) return word;
  return undefined;
}

module.exports = { Client };
