#!/usr/bin/env node
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { parseArguments } = require('./harness/args');
const { ensureDependencies } = require('./harness/deps');
const { loadSuite } = require('./harness/suites');
const { abortWorkers } = require('./harness/worker');

async function main() {
  const options = parseArguments(process.argv.slice(2));
  ensureDependencies();
  // Required lazily: it loads a peer that ensureDependencies may only just have installed.
  const { runSuite } = require('./harness/run-suite');
  const report = await runSuite(loadSuite(options.suite), options);
  save(options.out, report);
  if (report.workloads.some(hasErrors)) {
    throw new Error('some operations failed: the figures of those sides are not comparable');
  }
}

function save(file, report) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  process.stdout.write(`\nWritten to ${path.relative(process.cwd(), file)}\n`);
}

function hasErrors(workload) {
  return Object.values(workload.sides).some((side) => side.summary.errors > 0);
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  // Ending the children fails the run, which then cleans up as usual.
  process.on(signal, abortWorkers);
}

main().catch((error) => {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
});
