'use strict';

// Limits that are known to be exhausted: asking Redis again would only make it say so again. What is
// known of a limit ends when it may have changed: after the time that Redis named, after a reset by
// anybody (they tell each other), when Redis has been away, and after a second in any case.

const { Op } = require('./queue');
const { Kind, Reach, Subscriptions } = require('./subscriptions');

const CHANNEL = 'backplane:limits';
const LONGEST_MS = 1000;
const MOST_KEYS = 10_000;
const LONGEST_KEY = 1024;

class Exhausted {
  #core;
  #known = new Map();
  #subscriptions = null;
  /** The topic on which the others tell what they have reset. */
  #news;
  /** Changes whenever something is forgotten: what was asked before then is not remembered. */
  #generation = 0;

  constructor(core) {
    this.#core = core;
    core.events.on('state', () => this.missed());
  }

  /** The answer to a check that need not be asked. */
  answer(key, { algorithm, limit, windowMs }, cost) {
    if (this.#known.size === 0) return undefined;
    const known = this.#known.get(nameOf(key, algorithm));
    if (known === undefined) return undefined;
    const left = known.until - performance.now();
    if (left <= 0 || known.limit !== limit || known.windowMs !== windowMs || cost < known.cost) return undefined;
    return { ...known.verdict, retryAfterMs: Math.max(1, Math.ceil(known.retryAt - performance.now())) };
  }

  /** To be called before Redis is asked: what to do with the answer, and pass it on. */
  note(key, { algorithm, limit, windowMs }, cost) {
    const askedAt = performance.now();
    const generation = this.#generation;
    return (verdict) => {
      const isKnown = !verdict.allowed && verdict.source === 'redis' && cost <= limit && key.length <= LONGEST_KEY;
      if (isKnown && this.#isListening() && generation === this.#generation) {
        // The server's time was later than this, so this ends earlier.
        const retryAt = askedAt + verdict.retryAfterMs;
        const until = Math.min(retryAt, askedAt + LONGEST_MS);
        this.#remember(nameOf(key, algorithm), { limit, windowMs, cost, retryAt, until, verdict: { ...verdict } });
      }
      return verdict;
    };
  }

  forget(key) {
    this.#generation += 1;
    for (const algorithm of [0, 1, 2]) this.#known.delete(nameOf(key, algorithm));
  }

  /** Tells the other instances to forget. */
  async tellOthers(key) {
    const { queue, number } = this.#core;
    await queue.send(Op.Publish, number, CHANNEL, JSON.stringify(key), Reach.EVERYWHERE);
  }

  /** Called when a reset may have been missed. */
  missed() {
    this.#generation += 1;
    this.#known.clear();
  }

  ended() {
    this.#known.clear();
  }

  #heard(key) {
    if (typeof key === 'string') this.forget(key);
  }

  #remember(name, known) {
    this.#known.delete(name);
    this.#known.set(name, known);
    if (this.#known.size > MOST_KEYS) this.#known.delete(this.#known.keys().next().value);
  }

  /** Begins to listen at the first limit that is reached. */
  #isListening() {
    if (this.#subscriptions === null && this.#core.closing === null) {
      this.#subscriptions = new Subscriptions(this.#core, this, { keepsAlive: false });
      this.#news = this.#subscriptions.join(Kind.CHANNEL, CHANNEL, () => ({
        isJson: true,
        deliver: (key) => this.#heard(key),
      }));
    }
    return this.#news?.isInEffect === true;
  }
}

function nameOf(key, algorithm) {
  return `${algorithm}:${key}`;
}

module.exports = { Exhausted };
