'use strict';

const assert = require('node:assert');
const { nowMicros } = require('../../harness/clock');
const { RECORDS, SAMPLE_STRIDE, recordOf } = require('./messages');

/** Counts the arrivals in one process, and checks that every message arrives once and in order. */
class Receiver {
  #lanes = [];
  #onArrived;

  /** @param onArrived is called with a number of deliveries, all of which arrived just now. */
  constructor(onArrived) {
    this.#onArrived = onArrived;
    this.reset({});
  }

  reset({ isDeep = false }) {
    this.isDeep = isDeep;
    this.errors = 0;
    this.firstError = null;
    this.arrivedAt = [];
    for (const lane of this.#lanes) lane.next = lane.first;
  }

  /** A callback for the messages `first`, `first + step` and so on. */
  lane({ first = 0, step = 1, isSampled }) {
    const lane = { first, step, isSampled, next: first };
    this.#lanes.push(lane);
    return (data) => this.#take(lane, data);
  }

  report() {
    const { arrivedAt, errors, firstError } = this;
    return { arrivedAt, errors, firstError };
  }

  #take(lane, data) {
    const n = lane.next;
    lane.next += lane.step;
    if (data?.id !== n % RECORDS) this.#fail(`message ${data?.id} instead of ${n % RECORDS}`);
    else if (this.isDeep) this.#compare(data, n);
    if (lane.isSampled && n % SAMPLE_STRIDE === 0) this.arrivedAt[n / SAMPLE_STRIDE] = nowMicros();
    this.#onArrived(1);
  }

  #compare(data, n) {
    try {
      assert.deepStrictEqual(data, recordOf(n));
    } catch (error) {
      this.#fail(error.message);
    }
  }

  #fail(reason) {
    this.errors += 1;
    this.firstError ??= reason;
  }
}

module.exports = { Receiver };
