#!/usr/bin/env node
'use strict';

// npm run load: the chat of examples/chat with many clients on two instances, and an outage of
// Redis in the middle; on redis-backplane, and on typical hand-written modules. bench/README.md
// describes what it measures.

const fs = require('node:fs');
const path = require('node:path');
const { ensureDependencies } = require('../harness/deps');
const { describeMachine } = require('../harness/machine');
const { readOptions } = require('./options');
const { tableOf } = require('./table');

const say = (line) => console.log(line);

async function main() {
  const { sides, out, ...options } = readOptions(process.argv.slice(2));
  ensureDependencies();
  // Required lazily: they need packages that may only just have been installed.
  const { runSide } = require('./side');
  say(`${options.clients} clients, ${options.rate} messages/s for ${options.seconds} s, ${options.outage} s without Redis; ${sides.join(', then ')}`);
  const report = { date: new Date().toISOString(), machine: describeMachine(), options, sides: {} };
  for (const side of sides) {
    say(`\n${side}`);
    report.sides[side] = await runSide(side, options, say);
    say(tableOf(report.sides[side]));
  }
  fs.writeFileSync(out, `${JSON.stringify(report, null, 2)}\n`);
  say(`\nWritten to ${path.relative(process.cwd(), out)}`);
  // The other side is only for comparison; it need not keep the promises of this package.
  process.exitCode = (report.sides.ours?.failures ?? []).length === 0 ? 0 : 1;
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
