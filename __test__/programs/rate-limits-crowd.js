'use strict';

// One of several processes that check the same limit. Says that it is ready, and checks when it is told to.

const { createBackplane } = require('../..');

const { calls, key, max, options, ...settings } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const limits = createBackplane({ ...settings, logger: silent, connectTimeoutMs: 10_000, commandTimeoutMs: 10_000 });

async function main() {
  await limits.cacheGet('settled');
  process.send('ready');
  await new Promise((resolve) => process.once('message', resolve));
  const answers = await Promise.all(Array.from({ length: calls }, () => limits.checkRateLimit(key, max, 3600, options)));
  process.send({
    allowed: answers.filter(({ allowed }) => allowed).length,
    sources: [...new Set(answers.map(({ source }) => source))],
    most: Math.max(...answers.map(({ count }) => count)),
  });
  await limits.close();
  process.disconnect();
}

main();
