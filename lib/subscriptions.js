'use strict';

const { Op } = require('./queue');

/** The kinds of topics, in the order in which src/binding/dispatch.rs numbers them. */
const Kind = { CHANNEL: 0, PATTERN: 1, SHARD: 2 };
/** How far a message reaches: to channels and patterns, or to a sharded channel. */
const Reach = { EVERYWHERE: 0, SHARD: 1 };

/** The operations for channels; other subscriptions use other operations. */
const OF_CHANNELS = { join: Op.Subscribe, leave: Op.Unsubscribe, end: Op.CloseSubscriber };

/**
 * The topics of one receiver. A subscription survives every reconnect until it is closed, and keeps
 * the process alive unless it is told not to. The receiver has `missed(gap)` and `ended()`.
 */
class Subscriptions {
  #core;
  #receiver;
  #number = 0;
  #topics = [new Map(), new Map(), new Map()];
  #count = 0;
  #isEnded = false;
  #keepsAlive;
  #ops;

  constructor(core, receiver, { keepsAlive = true, ops = OF_CHANNELS } = {}) {
    this.#core = core;
    this.#receiver = receiver;
    this.#keepsAlive = keepsAlive;
    this.#ops = ops;
    // After the backplane has ended nothing can be subscribed to, and no further event arrives
    // here.
    this.#isEnded = core.closing !== null;
    if (!this.#isEnded) this.#number = core.addReceiver(this);
  }

  get(kind, name) {
    return this.#topics[kind].get(name);
  }

  all(kind) {
    return [...this.#topics[kind].values()];
  }

  size(kind) {
    return this.#topics[kind].size;
  }

  /**
   * The topic of this name, subscribed to now if it is not yet. `make` creates it, with the
   * functions that the queue delivers to and `isJson`. It is given its `kind`, `name`, `id` and
   * `ready`, a promise of whether it is in effect.
   */
  join(kind, name, make) {
    const known = this.get(kind, name);
    if (known === undefined) return this.#open(make(), kind, name);
    // It was not in effect then and may be now.
    if (known.isInEffect === false) this.#ask(known);
    return known;
  }

  #open(topic, kind, name) {
    const { queue } = this.#core;
    Object.assign(topic, { kind, name, id: queue.addTopic(topic) });
    this.#ask(topic);
    this.#topics[kind].set(name, topic);
    this.#count += 1;
    if (this.#count === 1 && this.#keepsAlive) queue.native.hold();
    return topic;
  }

  #ask(topic) {
    const { queue, number } = this.#core;
    const { kind, name, id, isJson } = topic;
    topic.isInEffect = undefined;
    topic.ready = queue.send(this.#ops.join, number, name, undefined, this.#number, kind, id, isJson ? 1 : 0);
    topic.ready.then(
      (isInEffect) => {
        topic.isInEffect = isInEffect;
      },
      // The subscriber receives the rejection.
      () => {}
    );
  }

  /** Unsubscribes; nothing is delivered from now on. */
  shut(topic) {
    const { queue, number } = this.#core;
    this.#forget(topic);
    return queue.send(this.#ops.leave, number, topic.name, undefined, this.#number, topic.kind);
  }

  /** Ends all of them, and the connection. */
  end() {
    if (this.#isEnded) return;
    this.detach();
    const { queue, number, receivers } = this.#core;
    receivers.delete(this.#number);
    if (queue !== null) queue.post(this.#ops.end, number, this.#number);
  }

  /** The backplane ends, and everything with it. */
  detach() {
    this.#isEnded = true;
    for (const topics of this.#topics) {
      for (const topic of topics.values()) this.#forget(topic);
    }
    this.#receiver.ended();
  }

  missed(gap) {
    this.#receiver.missed(gap);
  }

  #forget(topic) {
    if (!this.#topics[topic.kind].delete(topic.name)) return;
    this.#core.queue.removeTopic(topic.id);
    this.#count -= 1;
    if (this.#count === 0 && this.#keepsAlive) this.#core.queue.native.release();
  }
}

module.exports = { Kind, Reach, Subscriptions };
