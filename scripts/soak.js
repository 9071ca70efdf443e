#!/usr/bin/env node
'use strict';

// npm run soak: a million calls of all functions through a network that cuts, stalls and half-closes connections.
//
//   --calls N   default 1,000,000: some ten minutes
//   --seed N    default: the time

const { parseArgs } = require('node:util');
const { soak } = require('./soak/soak');

function readNumber(name, text) {
  if (/^[1-9]\d{0,11}$/.test(text)) return Number(text);
  throw new RangeError(`--${name} takes a whole number above 0, not ${text}`);
}

function readOptions(args) {
  const { values } = parseArgs({ args, options: { calls: { type: 'string', default: '1000000' }, seed: { type: 'string' } } });
  return { calls: readNumber('calls', values.calls), seed: readNumber('seed', values.seed ?? String(Date.now() % 2 ** 31)) };
}

const number = (value) => Math.round(value).toLocaleString('en');
const listed = (counts) => Object.entries(counts).map(([name, count]) => `${name} ${number(count)}`).join(', ');

function describe({ load, memory, threads, left, faults, seconds, ears, atEnd }) {
  const kinds = Object.entries(left.kinds).sort().map(([kind, { keys, longestSeconds }]) => `  ${kind.padEnd(22)} ${keys}, the longest for ${longestSeconds} s`);
  return [
    `calls        ${number(load.calls)} in ${number(seconds)} s; ${((load.met / load.calls) * 100).toFixed(1)} % met a fault`,
    `faults       ${listed(faults)}; ${number(load.outages)} outages`,
    `functions    ${Object.keys(load.used).length}: ${listed(load.used)}`,
    `longest      ${load.longestMs} ms, beyond what a call was asked to wait`,
    `rejected     raw commands: ${listed(load.rejected) || 'none'}; others: ${load.broken.filter(({ rejected }) => rejected).length}`,
    `heard        ${ears} subscriptions, each marker once; ${number(load.events)} events of watched rooms`,
    `memory       ${memory.earlyMB.toFixed(1)} → ${memory.lateMB.toFixed(1)} MB (${(memory.drift * 100).toFixed(1)} %), from the second fifth to the last`,
    `threads      ${threads.early} → ${threads.late}`,
    `resources    ${atEnd.resources.before} → ${atEnd.resources.after}`,
    'left on Redis, when everything had been removed and given back:',
    ...kinds,
  ].join('\n');
}

async function main() {
  const { calls, seed } = readOptions(process.argv.slice(2));
  console.log(`${number(calls)} calls, seed ${seed}`);
  const report = await soak({ calls, seed, say: (line) => console.log(line) });
  console.log(describe(report));
  for (const failure of report.failures) console.error(`FAILED ${failure}`);
  console.log(report.failures.length === 0 ? 'Nothing is wrong.' : `${report.failures.length} things are wrong.`);
  process.exitCode = report.failures.length === 0 ? 0 : 1;
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
