'use strict';

const { createBackplane } = require('../..');
const { witness } = require('../../__test__/support/witness');

const DEADLINES = { connectTimeoutMs: 1000, commandTimeoutMs: 300 };
/** The extra time that a busy machine with two cores may add. */
const SLACK_MS = 250;
/** These walk the keyspace, and each of their steps has its own deadline. */
const WALKS = { cacheDeletePattern: 1500, 'queryCache.invalidate': 1500 };

function functionsOf(backplane) {
  const parts = ['queryCache', 'sessionCache', 'messageCache'];
  const own = Object.entries(backplane).filter(([name]) => !parts.includes(name));
  const theirs = parts.flatMap((part) => Object.entries(backplane[part]).map(([name, value]) => [`${part}.${name}`, value]));
  return new Map([...own, ...theirs]);
}

/** A backplane whose calls are counted and checked against their deadlines. */
class Instance {
  #functions;
  #watched;
  #outages = 0;
  #harms = 0;
  calls = 0;
  /** Calls affected by a fault: it existed when they began, or started or ended meanwhile. */
  met = 0;
  isHarmed = false;
  longestMs = 0;
  used = {};
  /** What was logged as an error. */
  complaints = [];

  constructor({ name, tell, ...options }) {
    this.name = name;
    this.tell = tell;
    const complain = (line) => this.complaints.push(line);
    const logger = { debug() {}, info() {}, warn() {}, error: complain };
    const settings = { ...DEADLINES, logger, ...options };
    this.backplane = createBackplane(settings);
    this.#functions = functionsOf(this.backplane);
    this.#watched = witness(this.backplane, { ...settings, slackMs: SLACK_MS });
    this.client = this.backplane.getClient();
    this.client.on('reconnecting', () => {
      this.#outages += 1;
    });
  }

  get broken() {
    return this.#watched.broken;
  }

  get isReady() {
    return this.client.status === 'ready';
  }

  get outages() {
    return this.#outages;
  }

  /** Functions that have not been called. */
  get unused() {
    return [...this.#functions.keys()].filter((name) => !(name in this.used));
  }

  /** Calls a function of the backplane by its name, such as `queryCache.get`. */
  call(name, ...args) {
    return this.act(name, () => this.#functions.get(name)(...args), WALKS[name]);
  }

  /** The same for anything counted under a name; `act(uncounted)` may wait this long on purpose. */
  async act(name, act, allowanceMs = 0) {
    const { isHarmed: wasHarmed } = this;
    const harms = this.#harms;
    const begun = performance.now();
    try {
      return await this.#watched.watch(name, act, allowanceMs);
    } finally {
      this.longestMs = Math.max(this.longestMs, performance.now() - begun - allowanceMs);
      this.count(name, wasHarmed || harms !== this.#harms);
    }
  }

  /** A call in progress. */
  count(name, hasMet = this.isHarmed) {
    this.calls += 1;
    if (hasMet) this.met += 1;
    this.used[name] = (this.used[name] ?? 0) + 1;
    this.tell();
  }

  harmed() {
    this.isHarmed = true;
    this.#harms += 1;
  }

  healed() {
    this.isHarmed = false;
    this.#harms += 1;
  }

  /** To be passed to `isSteadySince` later: whether Redis was available all the time. */
  steady() {
    return this.isReady ? this.#outages : null;
  }

  isSteadySince(outages) {
    return this.isReady && outages === this.#outages;
  }

  /** The same for every connection: there was no fault. */
  calm() {
    return this.isReady && !this.isHarmed ? this.#harms : null;
  }

  isCalmSince(harms) {
    return this.isReady && harms === this.#harms;
  }
}

module.exports = { Instance };
