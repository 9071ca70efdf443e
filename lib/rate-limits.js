'use strict';

const check = require('./check');
const { ExhaustedLimits } = require('./exhausted-limits');
const { Op } = require('./queue');

/** In the order in which src/binding/dispatch.rs numbers them; the first is the default. */
const ALGORITHMS = ['fixed-window', 'sliding-window', 'token-bucket'];
const DEFAULT_WINDOW_SECONDS = 60;

/** The rate limits of one backplane. index.d.ts documents each function. */
function createLimits(core) {
  const exhausted = new ExhaustedLimits(core);

  function checkRateLimit(key, maxRequests, windowSeconds = DEFAULT_WINDOW_SECONDS, options = {}) {
    const { algorithm, cost, error: optionsError } = readOptions(options);
    const error =
      check.key(key) ??
      check.count(maxRequests, 'maxRequests') ??
      check.ttl(windowSeconds, 'windowSeconds') ??
      optionsError ??
      core.unusable();
    if (error) return Promise.reject(error);
    const rule = { algorithm, limit: maxRequests, windowMs: Math.ceil(windowSeconds * 1000) };
    const known = exhausted.answer(key, rule, cost);
    if (known) return Promise.resolve(known);
    const noted = exhausted.note(key, rule, cost);
    const asked = core.queue.send(Op.LimitCheck, core.number, key, undefined, algorithm, rule.limit, rule.windowMs, cost);
    return asked.then(noted);
  }

  async function resetRateLimit(key) {
    const error = check.key(key) ?? core.unusable();
    if (error) throw error;
    exhausted.forget(key);
    // In this order on the server, too.
    await Promise.all([core.queue.send(Op.LimitReset, core.number, key), exhausted.tellOthers(key)]);
  }

  return { checkRateLimit, resetRateLimit };
}

/** Reads each option once. Returns the algorithm's number and the cost, or an error. */
function readOptions(options) {
  const error = check.object(options, 'options');
  if (error) return { error };
  let algorithm;
  let cost;
  try {
    ({ algorithm = ALGORITHMS[0], cost = 1 } = options);
  } catch (cause) {
    return { error: check.option('options cannot be read', cause) };
  }
  const number = ALGORITHMS.indexOf(algorithm);
  if (number < 0) return { error: check.option(`algorithm must be one of ${ALGORITHMS.join(', ')}`) };
  return { algorithm: number, cost, error: check.count(cost, 'cost') };
}

module.exports = { createLimits };
