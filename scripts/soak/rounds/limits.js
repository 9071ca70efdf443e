'use strict';

const ALGORITHMS = ['fixed-window', 'sliding-window', 'token-bucket'];
const WINDOW_SECONDS = 30;
const SHORT_SECONDS = 0.2;
const CHECKS_OF_SHORT = 40;

/** What Redis allowed; a check whose answer was lost is decided only by its process. */
const allowedByRedis = (answers) => answers.filter(({ allowed, source }) => allowed && source === 'redis').length;

function createRound({ x, either, name, below, pick, tell }) {
  let keys = 0;

  /** More at once than allowed, by any instance. */
  async function crowd() {
    keys += 1;
    const key = `l:${name}:${keys}`;
    const algorithm = pick(ALGORITHMS);
    const max = 1 + below(8);
    const begun = performance.now();
    const check = (y) => y.call('checkRateLimit', key, max, WINDOW_SECONDS, { algorithm });
    const answers = await Promise.all(Array.from({ length: max + 1 + below(6) }, () => check(either())));
    const refilled = algorithm === 'token-bucket' ? Math.ceil(((performance.now() - begun) * max) / (WINDOW_SECONDS * 1000)) : 0;
    const allowed = allowedByRedis(answers);
    if (allowed > max + refilled) tell(`limit ${algorithm}: ${allowed} of at most ${max} were let through`);
    const isWhole = answers.every(({ source }) => source === 'redis');
    if (isWhole && allowed < max) tell(`limit ${algorithm}: ${allowed} of ${max} were let through, and nothing was lost`);
    await reset(key, max, algorithm, isWhole);
  }

  /** A check whose answer was lost may be in transit, and count after the reset. */
  async function reset(key, max, algorithm, isWhole) {
    const since = x.steady();
    await x.call('resetRateLimit', key);
    const { allowed, source } = await x.call('checkRateLimit', key, max, WINDOW_SECONDS, { algorithm, cost: max });
    if (isWhole && x.isSteadySince(since) && source === 'redis' && !allowed) tell(`limit ${algorithm}: denied after its reset`);
  }

  /** Windows of one key do not overlap, so there can have been this many. */
  const short = { begun: 0, allowed: 0, checks: 0, max: 3 };

  async function windows() {
    if (short.checks % CHECKS_OF_SHORT === 0) Object.assign(short, { begun: performance.now(), allowed: 0, checks: 0 });
    short.checks += 1;
    short.allowed += allowedByRedis([await either().call('checkRateLimit', `s:${name}`, short.max, SHORT_SECONDS)]);
    const windows = Math.floor((performance.now() - short.begun) / (SHORT_SECONDS * 1000)) + 2;
    if (short.allowed > short.max * windows) tell(`limit: ${short.allowed} were let through in ${windows} windows of ${short.max}`);
  }

  return async function round() {
    await crowd();
    await windows();
  };
}

module.exports = { createRound };
