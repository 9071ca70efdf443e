'use strict';

// Connects by TLS in an environment of its own, and says whether that worked.

const { createBackplane } = require('../..');

const lines = [];
const log = (line) => lines.push(line);

async function main() {
  const options = JSON.parse(process.argv[2]);
  const backplane = createBackplane({ ...options, logger: { debug() {}, info() {}, warn: log, error: log } });
  await backplane.cacheGet('settled');
  const served = backplane.isRedisAvailable();
  await backplane.close();
  console.log(JSON.stringify({ served, lines }));
}

main();
