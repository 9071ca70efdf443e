'use strict';

const check = require('./check');
const { Exhausted } = require('./exhausted');
const { Op } = require('./queue');

/** In the order in which src/binding/dispatch.rs numbers them. */
const ALGORITHMS = ['fixed-window', 'sliding-window', 'token-bucket'];
const DEFAULT_WINDOW_SECONDS = 60;

/** The rate limits of one backplane; index.d.ts says what each function promises. */
function createLimits(core) {
  const exhausted = new Exhausted(core);

  function checkRateLimit(key, maxRequests, windowSeconds = DEFAULT_WINDOW_SECONDS, options = {}) {
    const error =
      check.key(key) ??
      check.count(maxRequests, 'maxRequests') ??
      check.ttl(windowSeconds, 'windowSeconds') ??
      optionsError(options) ??
      core.unusable();
    if (error) return Promise.reject(error);
    const { algorithm = ALGORITHMS[0], cost = 1 } = options;
    const rule = { algorithm: ALGORITHMS.indexOf(algorithm), limit: maxRequests, windowMs: Math.ceil(windowSeconds * 1000) };
    const known = exhausted.answer(key, rule, cost);
    if (known) return Promise.resolve(known);
    const noted = exhausted.note(key, rule, cost);
    const asked = core.queue.send(Op.LimitCheck, core.number, key, undefined, rule.algorithm, rule.limit, rule.windowMs, cost);
    return asked.then(noted);
  }

  function resetRateLimit(key) {
    const error = check.key(key) ?? core.unusable();
    if (error) return Promise.reject(error);
    exhausted.forget(key);
    return core.queue.send(Op.LimitReset, core.number, key).then(() => exhausted.tellOthers(key));
  }

  return { checkRateLimit, resetRateLimit };
}

function optionsError(options) {
  if (typeof options !== 'object' || options === null) return check.option('options must be an object');
  const { algorithm = ALGORITHMS[0], cost = 1 } = options;
  if (!ALGORITHMS.includes(algorithm)) return check.option(`algorithm must be one of ${ALGORITHMS.join(', ')}`);
  return check.count(cost, 'cost');
}

module.exports = { createLimits };
