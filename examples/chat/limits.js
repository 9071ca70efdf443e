'use strict';

const { Refusal } = require('./refusal');

/** This many at once, then evenly this many per period. */
const LIMITS = {
  user: { max: 5, seconds: 5 },
  room: { max: 50, seconds: 5 },
  search: { max: 20, seconds: 10 },
};

/** Counted over all instances: a second page gives a user no higher limit. */
function createLimits({ backplane, limits }) {
  const rules = { ...LIMITS, ...limits };

  async function take(limit, id) {
    const { max, seconds } = rules[limit];
    const { allowed, retryAfterMs } = await backplane.checkRateLimit(`${limit}:${id}`, max, seconds, { algorithm: 'token-bucket' });
    if (!allowed) throw new Refusal('RATE_LIMITED', 'Slow down.', { limit, retryAfterMs });
  }

  return { take };
}

module.exports = { createLimits };
