'use strict';

// A rate limit for HTTP: a middleware for Express, and for everything else that calls
// `(req, res, next)`. The headers follow draft-ietf-httpapi-ratelimit-headers-11.

const defaultBackplane = require('../..'); // = require('redis-backplane')

const PROBLEM = 'https://iana.org/assignments/http-problem-types#quota-exceeded';

/**
 * `key(req)` returns the key to count. Each policy of `name` (printable ASCII without quotes)
 * counts separately, so several can be used on one route: `"burst"` and `"daily"`.
 *
 * During a Redis outage this continues to work: each process counts by itself, from zero, so n
 * processes allow up to n × max. To be strict instead, answer 503 when `verdict.source` is
 * `memory`.
 */
function rateLimit({ key, max, windowSeconds = 60, algorithm, name = 'default', backplane = defaultBackplane }) {
  const window = Math.ceil(windowSeconds);

  return async (req, res, next) => {
    let verdict;
    try {
      verdict = await backplane.checkRateLimit(`http:${name}:${key(req)}`, max, windowSeconds, { algorithm });
    } catch (error) {
      // An invalid key, an invalid option, a closed backplane; never a Redis outage.
      next(error);
      return;
    }
    const { allowed, remaining, retryAfterMs } = verdict;
    const seconds = allowed ? secondsUntil(verdict.resetAt, window) : Math.ceil(retryAfterMs / 1000);
    // Appended: both fields are lists, to which each policy adds its item.
    res.appendHeader('RateLimit-Policy', `"${name}";q=${max};w=${window}`);
    res.appendHeader('RateLimit', `"${name}";r=${remaining};t=${seconds}`);
    if (allowed) next();
    else refuse(res, name, seconds);
  };
}

/**
 * `resetAt` is by Redis's clock. Even if that differs from ours, it is never longer than a window.
 */
function secondsUntil(resetAt, window) {
  return Math.min(window, Math.max(0, Math.ceil((resetAt - Date.now()) / 1000)));
}

function refuse(res, name, seconds) {
  res.statusCode = 429;
  res.setHeader('Retry-After', String(seconds));
  res.setHeader('Content-Type', 'application/problem+json');
  res.end(JSON.stringify({ type: PROBLEM, title: 'Too many requests', 'violated-policies': [name] }));
}

module.exports = { rateLimit };
