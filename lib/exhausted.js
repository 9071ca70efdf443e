'use strict';

// Limits that are known to be exhausted: asking Redis again would only make it say so again. What is
// known of a limit ends when it may have changed: after the time that Redis named, after a reset by
// anybody (they tell each other), when Redis has been away, and after a second in any case.

const { steadyMs } = require('./clock');
const { Op } = require('./queue');
const { Kind, Reach, Subscriptions } = require('./subscriptions');

const CHANNEL = 'backplane:limits';
const LONGEST_MS = 1000;
const MOST_KEYS = 10_000;
const LONGEST_KEY = 1024;
/** Of src/binding/dispatch.rs. */
const FIXED_WINDOW = 0;

class Exhausted {
  #core;
  #known = new Map();
  #subscriptions = null;
  /** Changes whenever something is forgotten: what was asked before then is not remembered. */
  #generation = 0;

  constructor(core) {
    this.#core = core;
    core.events.on('state', () => this.missed());
  }

  /** The answer to a check that need not be asked. */
  answer(key, rule, cost) {
    if (this.#known.size === 0) return undefined;
    const known = this.#known.get(nameOf(key, rule));
    if (known === undefined || !isSettledFor(rule, cost)) return undefined;
    const now = steadyMs();
    if (now >= known.until || known.limit !== rule.limit || known.windowMs !== rule.windowMs) return undefined;
    this.#core.deniedAtHand += 1;
    return { ...known.verdict, retryAfterMs: Math.ceil(known.retryAt - now) };
  }

  /** To be called before Redis is asked: what to do with the answer, and pass it on. */
  note(key, rule, cost) {
    const askedAt = steadyMs();
    const generation = this.#generation;
    return (verdict) => {
      if (verdict.allowed || verdict.source !== 'redis' || verdict.remaining > 0) return verdict;
      const isWorthIt = isSettledFor(rule, cost) && key.length <= LONGEST_KEY;
      if (isWorthIt && this.#isListening() && generation === this.#generation) {
        // The server looked after it was asked, so this ends in time; and before it was heard, so
        // whoever comes back after that does not come too early.
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
 * Whether all that is said of an exhausted limit stays as it is until it is free again: in a fixed
 * window nothing is given back before its end; in the others only a single request has to wait for
 * the very first that is.
 */
function isSettledFor({ algorithm, limit }, cost) {
  return algorithm === FIXED_WINDOW ? cost <= limit : cost === 1;
}

module.exports = { Exhausted };
