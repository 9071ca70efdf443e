'use strict';

const { nowMicros } = require('../../harness/clock');
const { SAMPLE_STRIDE } = require('./messages');

const STALL_MILLIS = 5000;

/**
 * Publishes as fast as it can, with at most `window` messages on their way: not yet received by
 * all that should. What arrives makes room for what is sent next.
 *
 * Ends at a multiple of `batch` messages, after `millis` or `limit` messages, once every message
 * has arrived and every publish has been answered; or when nothing arrives any more.
 */
class Flow {
  constructor(publish, { window, batch, deliveries, receivers }, { millis = Infinity, limit = Infinity }) {
    this.publish = publish;
    this.batch = batch;
    this.deliveries = deliveries;
    this.most = (window - 1) * deliveries;
    this.millis = millis;
    this.limit = limit;
    this.sent = 0;
    this.answered = 0;
    this.arrived = 0;
    this.isEnding = false;
    this.isStopped = false;
    this.sentAt = [];
    this.errors = 0;
    this.firstError = null;
    this.onAnswer = (count) => this.#answer(count === receivers ? null : `reached ${count} subscribers`);
    this.onFailure = (error) => this.#answer(error.message);
  }

  async run() {
    const watch = this.#watch();
    try {
      await new Promise((resolve) => {
        this.finish = resolve;
        this.deadline = nowMicros() + this.millis * 1000;
        this.#pump();
      });
    } finally {
      clearInterval(watch);
    }
    return this;
  }

  arrive(deliveries) {
    this.arrived += deliveries;
    this.#pump();
    this.#finishIfDone();
  }

  get messages() {
    return Math.floor(this.arrived / this.deliveries);
  }

  #pump() {
    while (!this.isStopped && this.sent * this.deliveries - this.arrived <= this.most) this.#send();
  }

  #send() {
    const n = this.sent++;
    if (n % SAMPLE_STRIDE === 0) this.#sample();
    const answer = this.publish(n);
    if (answer) answer.then(this.onAnswer, this.onFailure);
    else this.answered += 1;
    if (this.sent >= this.limit) this.isEnding = true;
    if (this.isEnding && this.sent % this.batch === 0) this.isStopped = true;
  }

  // The clock is read for sampled messages only, so that reading it costs next to nothing.
  #sample() {
    const now = nowMicros();
    this.sentAt.push(now);
    if (now >= this.deadline) this.isEnding = true;
  }

  #answer(problem) {
    this.answered += 1;
    if (problem) this.#fail(1, problem);
    this.#finishIfDone();
  }

  #finishIfDone() {
    if (!this.isStopped || this.answered < this.sent) return;
    if (this.arrived >= this.sent * this.deliveries) this.finish();
  }

  #watch() {
    let before = -1;
    return setInterval(() => {
      const progress = this.arrived + this.answered;
      if (progress === before) this.#giveUp();
      before = progress;
    }, STALL_MILLIS);
  }

  #giveUp() {
    this.isStopped = true;
    const missing = this.sent - this.messages;
    const unanswered = this.sent - this.answered;
    if (missing > 0) this.#fail(missing, `${missing} messages did not arrive`);
    if (unanswered > 0) this.#fail(unanswered, `${unanswered} publishes were not answered`);
    this.finish();
  }

  #fail(count, reason) {
    this.errors += count;
    this.firstError ??= reason;
  }
}

module.exports = { Flow };
