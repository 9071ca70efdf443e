'use strict';

// The client handle: the part of a Redis client that is still needed beside the functions, in the
// styles of ioredis and node-redis. All handles of a backplane share its connection for commands.
// Each handle that subscribes has one more, for what it receives.

const EventEmitter = require('node:events');
const { isUint8Array } = require('node:util').types;

const check = require('./check');
const { inNextTurn } = require('./clock');
const { ClientTopic } = require('./client-topic');
const { encodeCommand, encodeNames, plainBytes, readWords, upperCase } = require('./command');
const { typeError, failure, closed } = require('./errors');
const { callSafely, emitSafely } = require('./listeners');
const { Op } = require('./queue');
const { readSubscribe, readUnsubscribe } = require('./subscribe-arguments');
const { Kind, Reach, Subscriptions } = require('./subscriptions');

/** The states of the backplane, in ioredis' terms. */
const STATUS = {
  idle: 'wait',
  connecting: 'connecting',
  ready: 'ready',
  degraded: 'reconnecting',
  closed: 'end',
};
const COUNTS = { NUMSUB: Reach.EVERYWHERE, SHARDNUMSUB: Reach.SHARD };

class Client extends EventEmitter {
  #core;
  #isRoot;
  #isQuiet;
  #subscriptions;
  #isEnded = false;
  #follower = (event) => this.#follow(event);

  /**
   * The root handle is the backplane itself: ending it ends the backplane. A quiet handle never
   * rejects because of messages, for a library that ignores the outcome.
   */
  constructor(core, { isRoot = false, isQuiet = false } = {}) {
    super();
    // Libraries add listeners for each of their own parts.
    this.setMaxListeners(0);
    this.#core = core;
    this.#isRoot = isRoot;
    this.#isQuiet = isQuiet;
    this.#subscriptions = new Subscriptions(core, this);
    core.events.on('state', this.#follower);
    if (!isRoot && core.state() === 'ready') inNextTurn(() => this.#announce());
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

  /** Resolves when Redis is ready. Rejects when the current attempt fails. */
  async connect() {
    this.#core.start();
    await this.call('PING');
  }

  ping() {
    return this.call('PING');
  }

  call(...words) {
    const command = encodeCommand(words);
    const error = command.error ?? this.#unusable();
    if (error) return Promise.reject(error);
    return this.#core.queue.sendBytes(Op.Call, this.#core.number, command.bytes);
  }

  sendCommand(given) {
    const { words, error } = readWords(given);
    if (error) return Promise.reject(error);
    const [name, what, ...channels] = words;
    const reach = upperCase(name) === 'PUBSUB' ? COUNTS[upperCase(what)] : undefined;
    return reach === undefined ? this.call(...words) : this.#receivers(reach, channels);
  }

  /** Another handle with its own subscriptions. */
  duplicate() {
    return new Client(this.#core);
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
    const { payload, error: wrong } = readPayload(message);
    const error = check.channel(channel) ?? wrong ?? this.#unusable();
    if (error) return this.#refuse(error);
    const { queue, number } = this.#core;
    return queue.send(Op.Publish, number, channel, payload, reach);
  }

  #receivers(reach, channels) {
    const { names, bytes, error } = encodeNames(channels);
    if (error) return this.#refuse(error);
    // After the end nobody listens, and libraries ask in promises of their own.
    if (this.#unusable()) return Promise.resolve(names.flatMap((name) => [name, 0]));
    const { queue, number } = this.#core;
    const counts = queue.sendBytes(Op.Receivers, number, bytes, reach);
    return counts.then((each) => names.flatMap((name, i) => [name, each[i] ?? 0]));
  }

  #subscribe(kind, args) {
    const request = readSubscribe(args);
    const error = request.error ?? this.#unusable();
    if (error === null) return this.#listenToAll(kind, request);
    if (request.callback) callSafely(this.#core.logger ?? console, request.callback, undefined, error);
    return this.#refuse(error);
  }

  async #listenToAll(kind, request) {
    await Promise.all(request.names.map((name) => this.#listen(kind, name, request)));
    const count = this.#count(kind);
    if (request.callback) callSafely(this.#core.logger, request.callback, undefined, null, count);
    return count;
  }

  #listen(kind, name, { listener, asBytes }) {
    const topic = this.#subscriptions.join(kind, name, () => new ClientTopic(this.#core, this));
    if (listener) topic.add(listener, asBytes);
    else topic.emits = true;
    return topic.ready;
  }

  #unsubscribe(kind, args) {
    const request = readUnsubscribe(args);
    if (request.error) return this.#refuse(request.error);
    return this.status === 'end' ? Promise.resolve(0) : this.#unlistenToAll(kind, request);
  }

  async #unlistenToAll(kind, request) {
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

  /** As Redis counts: channels and patterns together, sharded channels separately. */
  #count(kind) {
    if (kind === Kind.SHARD) return this.#subscriptions.size(Kind.SHARD);
    return this.#subscriptions.size(Kind.CHANNEL) + this.#subscriptions.size(Kind.PATTERN);
  }

  /**
   * Rejects, but never causes an unhandled rejection, because the outcome of messages is rarely
   * awaited. So a mistake is logged, too.
   */
  #refuse(error) {
    if (error.code !== 'E_CLOSED') this.#core.logger?.warn(`redis-backplane: ${error.message}`);
    if (this.#isQuiet) return Promise.resolve(0);
    const promise = Promise.reject(error);
    promise.catch(() => {});
    return promise;
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
        this.#tell('error', failure('E_UNAVAILABLE', `Redis unavailable: ${reason}`));
        this.#tell('close');
        this.#tell('reconnecting');
        break;
      case 'closed':
        this.#end();
        break;
      default:
    }
  }

  #announce() {
    if (this.status !== 'ready') return;
    this.#tell('connect');
    this.#tell('ready');
  }

  #end() {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#core.events.off('state', this.#follower);
    this.#subscriptions.end();
    this.#tell('close');
    this.#tell('end');
  }

  /** An error without a listener is already in the log. It does not end the process. */
  #tell(event, ...args) {
    const { logger } = this.#core;
    if (event === 'error') emitSafely(logger, this, EventEmitter.errorMonitor, ...args);
    emitSafely(logger, this, event, ...args);
  }
}

/** A string or bytes as `{ payload }`, or an error. */
function readPayload(message) {
  if (typeof message === 'string') return { payload: message, error: check.payload(message) };
  if (!isUint8Array(message)) {
    return { error: typeError('E_INVALID_VALUE', `a message is a string or a Buffer, not ${check.kindOf(message)}`) };
  }
  return check.read(() => {
    const payload = plainBytes(message);
    return { payload, error: check.payload(payload) };
  }, 'a message');
}

module.exports = { Client };
