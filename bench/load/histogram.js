'use strict';

/** Neighbouring buckets are 2 % apart. */
const STEP = Math.log(1.02);

/** Counts of times in µs, which can be sent to another process as an array and added up there. */
class Histogram {
  constructor(buckets = []) {
    this.buckets = buckets;
  }

  add(micros) {
    const bucket = Math.max(0, Math.round(Math.log(Math.max(micros, 1)) / STEP));
    this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1;
  }

  merge(other) {
    other.buckets.forEach((count, bucket) => {
      this.buckets[bucket] = (this.buckets[bucket] ?? 0) + (count ?? 0);
    });
    return this;
  }

  get count() {
    return this.buckets.reduce((sum, count) => sum + (count ?? 0), 0);
  }

  /** In ms; null if nothing was counted. */
  percentile(percent) {
    const { count } = this;
    let left = Math.ceil((count * percent) / 100);
    for (let bucket = 0; count > 0 && bucket < this.buckets.length; bucket += 1) {
      left -= this.buckets[bucket] ?? 0;
      if (left <= 0) return Math.exp(bucket * STEP) / 1000;
    }
    return null;
  }
}

module.exports = { Histogram };
