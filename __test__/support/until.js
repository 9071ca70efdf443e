'use strict';

/** Settles as `promise` does, or rejects naming `what` after `ms`. */
async function deadline(promise, ms, what) {
  let timer;
  const expired = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`timed out after ${ms} ms: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** Polls until `predicate` gives something truthy and resolves to that. */
async function until(predicate, { timeoutMs = 10_000, everyMs = 5, what = String(predicate) } = {}) {
  let expired = false;
  const poll = async () => {
    while (!expired) {
      const value = await predicate();
      if (value) return value;
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
    return undefined;
  };
  try {
    return await deadline(poll(), timeoutMs, what);
  } finally {
    expired = true;
  }
}

module.exports = { deadline, until };
