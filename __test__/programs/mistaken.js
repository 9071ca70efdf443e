'use strict';

// Uses the default backplane in an environment that is wrong, and ends by itself without closing it.

const lines = [];
for (const method of ['log', 'info', 'warn', 'error']) console[method] = (line) => lines.push(line);

const { cacheGet, cacheSet, health, isRedisAvailable } = require('../..');

async function main() {
  const set = await cacheSet('k', 1);
  const got = await cacheGet('k');
  const { status } = await health();
  process.stdout.write(`${JSON.stringify({ set, got, status, isAvailable: isRedisAvailable(), lines })}\n`);
}

main();
