'use strict';

const VARIABLES = ['REDIS_URL', 'REDISHOST', 'REDIS_HOST', 'REDISPORT', 'REDIS_PORT'];

const COMMANDS = ['redis-server --save ""', 'docker run --rm -p 6379:6379 redis'];

function time(at) {
  return new Date(at).toTimeString().slice(0, 8);
}

/** How to get a Redis, without quoting the environment, which may contain a secret. */
function howToStart(env = process.env) {
  const variable = VARIABLES.find((name) => env[name]);
  if (variable) return { text: `Start the Redis that ${variable} names and watch it recover by itself.`, commands: [] };
  return { text: 'Start Redis and watch it recover by itself:', commands: COMMANDS };
}

function logRequest({ at, outcome, source, ms, what }) {
  const columns = [time(at), outcome.padEnd(7), source.padEnd(7), `${ms.toFixed(1)} ms`.padStart(10), what];
  console.log(columns.join('  '));
}

/**
 * The package has logged that Redis is available or unavailable; this line says what that means
 * here.
 */
function logChange({ state, before, afterMs }) {
  if (state === 'memory') {
    console.log('    Pictures are kept in the memory of this process until it is back.');
    const { text, commands } = howToStart();
    console.log(`    ${text}  ${commands.join('   or   ')}`.trimEnd());
  } else if (state === 'ready' && before === 'memory') {
    console.log(`    Recovered after ${(afterMs / 1000).toFixed(1)} s without Redis.`);
  }
}

module.exports = { howToStart, logChange, logRequest };
