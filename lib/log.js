'use strict';

const { typeError } = require('./errors');

const METHODS = ['debug', 'info', 'warn', 'error'];

const silent = () => {};
/** Few lines: see the log lines in README.md. */
const defaultLogger = {
  debug: silent,
  info: (line) => console.log(line),
  warn: (line) => console.warn(line),
  error: (line) => console.error(line),
};

/** A logger that never throws, whatever the caller's logger does. */
function createLogger(logger = defaultLogger) {
  for (const method of METHODS) {
    if (typeof logger?.[method] !== 'function') {
      throw typeError('E_INVALID_OPTION', `logger must have the functions ${METHODS.join(', ')}`);
    }
  }
  const guarded = {};
  for (const method of METHODS) {
    guarded[method] = (line) => {
      try {
        logger[method](line);
      } catch {
        // A failing logger must not take the server down, and there is nowhere to report it.
      }
    };
  }
  return guarded;
}

/**
 * Logs the state of the connection: one line when Redis is ready, and one for each outage, which is
 * an error if it comes from a permanent mistake.
 */
function narrate(logger, isMistake) {
  let away = false;
  let overflowed = false;
  let hasNeedlessPassword = false;
  return ({ state, reason, overflow, forbidden, deaf, gap, needlessPassword, failed }) => {
    if (gap?.dropped > 0) {
      logger.warn(`⚠️  Redis: ${gap.dropped} messages came faster than they were taken, and were dropped`);
    } else if (failed) {
      logger.error(`redis-backplane: ${failed} failed and was restarted; this is a bug in redis-backplane`);
    } else if (forbidden) {
      logger.warn(`⚠️  Redis forbids ${forbidden}: functions that need it do without it`);
    } else if (deaf) {
      logger.warn(`⚠️  Redis: nothing can be received (${deaf}), messages are missed`);
    } else if (needlessPassword) {
      if (!hasNeedlessPassword) logger.warn('⚠️  Redis needs no password, but one is set: it is not used');
      hasNeedlessPassword = true;
    } else if (overflow) {
      if (!overflowed) logger.warn('⚠️  Redis: too many keys were written to record each; the whole cache will be deleted when Redis is back');
      overflowed = true;
    } else if (state === 'ready') {
      away = false;
      overflowed = false;
      logger.info('✅ Redis: Connected and ready');
    } else if (state === 'degraded') {
      const line = `⚠️  Redis unavailable (${reason}), using memory`;
      if (away) logger.debug(line);
      else if (isMistake) logger.error(line);
      else logger.warn(line);
      away = true;
    }
  };
}

module.exports = { createLogger, narrate };
