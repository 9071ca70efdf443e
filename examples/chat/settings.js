'use strict';

const LAST_PORT = 65_535;
const SECONDS = 5;

function readNumber(name, text, most) {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (value <= most) return value;
  throw new RangeError(`${name} must be a whole number from 0 to ${most}`);
}

function readPort(text) {
  return readNumber('PORT', text || '3000', LAST_PORT);
}

/** Messages in five seconds. */
function readLimit(name, text) {
  return { max: Math.max(1, readNumber(name, text, 1e9)), seconds: SECONDS };
}

/** The settings of an instance, from the environment. The package itself finds Redis. */
function readSettings(env = process.env) {
  return {
    port: readPort(env.PORT),
    // Other computers in the network can connect if HOST allows it.
    host: env.HOST || '127.0.0.1',
    instance: env.INSTANCE || 'A',
    databaseUrl: env.DATABASE_URL || '',
    keyPrefix: env.KEY_PREFIX || 'chat:',
    hasAnalysis: env.ANALYSIS !== 'off',
    limits: {
      ...(env.USER_LIMIT && { user: readLimit('USER_LIMIT', env.USER_LIMIT) }),
      ...(env.ROOM_LIMIT && { room: readLimit('ROOM_LIMIT', env.ROOM_LIMIT) }),
    },
  };
}

module.exports = { readPort, readSettings };
