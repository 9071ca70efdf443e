'use strict';

const path = require('node:path');
const { run } = require('./run');

const CHECKS = [
  ['cargo', 'fmt', '--check'],
  ['cargo', 'clippy', '--all-targets', '--', '-D', 'warnings'],
  ['eslint', '.'],
  ['tsc', '-p', 'tsconfig.json', '--noEmit'],
  ['node', path.join(__dirname, 'layering.js')],
];

async function main() {
  const verdicts = [];
  for (const [command, ...args] of CHECKS) {
    const name = [command, ...args.map((arg) => path.basename(arg))].join(' ');
    console.log(`\n> ${name}`);
    verdicts.push({ name, ok: (await run(command, args)) === 0 });
  }
  console.log();
  for (const { name, ok } of verdicts) console.log(`${ok ? 'ok    ' : 'FAILED'} ${name}`);
  if (verdicts.some(({ ok }) => !ok)) process.exitCode = 1;
}

main();
