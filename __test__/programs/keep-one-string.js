'use strict';

// Reads a large array of strings again and again, and keeps one string of each reading. Prints by how much the heap has grown.

const { createBackplane } = require('../..');

const { options, readings, index } = JSON.parse(process.argv[2]);

async function main() {
  const cache = createBackplane(options);
  const kept = [];
  const read = async (times) => {
    for (let i = 0; i < times; i++) kept.push((await cache.cacheGet('strings'))[index]);
    global.gc();
    return process.memoryUsage().heapUsed;
  };
  const before = await read(50);
  const grownBytes = (await read(readings)) - before;
  await cache.close();
  console.log(JSON.stringify({ grownBytes, kept: new Set(kept).size }));
}

main();
