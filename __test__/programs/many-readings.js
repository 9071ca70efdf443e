'use strict';

// Reads keys again and again, and prints what it read last.

const { createBackplane } = require('../..');

const { options, keys, readings } = JSON.parse(process.argv[2]);

function canMakeFunctions() {
  try {
    new Function('return 1')();
    return true;
  } catch {
    return false;
  }
}

async function main() {
  const cache = createBackplane(options);
  let values;
  for (let i = 0; i < readings; i++) values = await Promise.all(keys.map((key) => cache.cacheGet(key)));
  await cache.close();
  console.log(JSON.stringify({ canMakeFunctions: canMakeFunctions(), values }));
}

main();
