'use strict';

// Limits that are known to be exhausted. Asking Redis again would give the same answer. The
// knowledge about a limit is dropped when the limit may have changed: after the time that Redis
// named, after a reset by any instance (they notify each other), after a Redis outage, and in any
// case after a second.

const { steadyMs } = require('./clock');
const { Op } = require('./queue');
const { Kind, Reach, Subscriptions } = require('./subscriptions');

const CHANNEL = 'backplane:limits';
const LONGEST_MS = 1000;
const MOST_KEYS = 10_000;
const LONGEST_KEY = 1024;
/** As in src/binding/dispatch.rs. */
const FIXED_WINDOW = 0;

class ExhaustedLimits {
  #core;
  #known = new Map();
  #subscriptions = null;
  /**
   * Changes whenever something is dropped: the answer to an earlier request is then not remembered.
   */
  #generation = 0;

  constructor(core) {
    this.#core = core;
    core.events.on('state', () => this.missed());
  }

  /** The answer to a check that does not need Redis. */
  answer(key, rule, cost) {
    if (this.#known.size === 0) return undefined;
    const known = this.#known.get(nameOf(key, rule));
    if (known === undefined || !isSettledFor(rule, cost)) return undefined;
    const now = steadyMs();
    if (now >= known.until || known.limit !== rule.limit || known.windowMs !== rule.windowMs) return undefined;
    this.#core.deniedLocally += 1;
    return { ...known.verdict, retryAfterMs: Math.ceil(known.retryAt - now) };
  }

  /**
   * Called before Redis is asked. Returns a function that takes the answer, remembers it if
   * possible, and passes it on.
   */
  note(key, rule, cost) {
    const askedAt = steadyMs();
    const generation = this.#generation;
    return (verdict) => {
      if (verdict.allowed || verdict.source !== 'redis' || verdict.remaining > 0) return verdict;
      const isWorthIt = isSettledFor(rule, cost) && key.length <= LONGEST_KEY;
      if (isWorthIt && this.#isListening() && generation === this.#generation) {
        // The server checked after it was asked, so `until` ends in time. It checked before its
        // answer arrived, so a caller that returns at `retryAt` is not too early.
        const until = askedAt + Math.min(verdict.retryAfterMs, LONGEST_MS);
        const retryAt = steadyMs() + verdict.retryAfterMs;
        this.#remember(nameOf(key, rule), { limit: rule.limit, windowMs: rule.windowMs, retryAt, until, verdict: { ...verdict } });
      }
      return verdict;
    };
  }

  forget(key) {
    this.#generation += 1;
    for (const algorithm of [0, 1, 2]) this.#known.delete(nameOf(key, { algorithm }));
  }

  /** Tells the other instances to drop what they know. */
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

  /** Starts to listen at the first limit that is exhausted. */
  #isListening() {
    if (this.#core.closing !== null) return false;
    this.#subscriptions ??= new Subscriptions(this.#core, this, { keepsAlive: false });
    const news = this.#subscriptions.join(Kind.CHANNEL, CHANNEL, () => ({
      isJson: true,
      deliver: (key) => this.#heard(key),
    }));
    return news.isInEffect === true;
  }
}

function nameOf(key, { algorithm }) {
  return `${algorithm}:${key}`;
}

/**
 * Whether everything that is known about an exhausted limit remains true until the limit is free
 * again. In a fixed window nothing is given back before its end. In the other algorithms only a
 * single request has to wait for exactly the first free unit.
 */
function isSettledFor({ algorithm, limit }, cost) {
  return algorithm === FIXED_WINDOW ? cost <= limit : cost === 1;
}

module.exports = { ExhaustedLimits };
