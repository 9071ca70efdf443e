'use strict';

// Reads a value again and again, and keeps each reading; then parses its text as often. Prints how many bytes of heap each takes.

const { createBackplane } = require('../..');

const { options, readings, text } = JSON.parse(process.argv[2]);

function heapBytes() {
  global.gc();
  return process.memoryUsage().heapUsed;
}

async function main() {
  const cache = createBackplane(options);
  // By now all shapes are known.
  for (let i = 0; i < 100; i++) await cache.cacheGet('value');
  const held = [];
  const before = heapBytes();
  for (let i = 0; i < readings; i++) held.push(await cache.cacheGet('value'));
  const between = heapBytes();
  for (let i = 0; i < readings; i++) held.push(JSON.parse(text));
  const after = heapBytes();
  await cache.close();
  const each = (bytes) => Math.round(bytes / readings);
  console.log(JSON.stringify({ held: held.length, read: each(between - before), parsed: each(after - between) }));
}

main();
