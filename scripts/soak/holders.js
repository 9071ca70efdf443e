'use strict';

/** The holders of locks, as seen by all holders of this process. */
class Holders {
  #held = new Map();
  #tell;

  constructor(tell) {
    this.#tell = tell;
  }

  /**
   * `holds()`: whether the latest holder still has it. Returns a function to call before it is
   * released.
   */
  enter(key, by, holds) {
    const others = this.#held.get(key) ?? new Set();
    for (const other of others) {
      if (!other.holds()) others.delete(other);
      else if (holds()) this.#tell(`lock ${key}: ${other.by} and ${by} hold it`);
    }
    const holder = { by, holds };
    others.add(holder);
    this.#held.set(key, others);
    return () => others.delete(holder);
  }
}

module.exports = { Holders };
