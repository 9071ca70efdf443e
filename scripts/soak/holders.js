'use strict';

/** Who holds which lock, as all holders of this process see it. */
class Holders {
  #held = new Map();
  #tell;

  constructor(tell) {
    this.#tell = tell;
  }

  /** `holds()`: whether the one who just got the lock still has it. Answers what to call before it is given back. */
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
