'use strict';

const { commandCounts, resetCommandCounts } = require('./observer');

const PREPARE_MILLIS = 30000;
const GRACE_MILLIS = 30000;

async function prepareWorkers(context, workload) {
  const { suite, observer, workers } = context;
  for (const [side, worker] of workers) {
    await suite.seed(observer, workload);
    await worker.order({ name: 'prepare', workload }, PREPARE_MILLIS);
    await suite.audit(observer, workload, side);
  }
}

async function runRounds(context, workload) {
  const { suite, observer, options, workers } = context;
  const all = Object.fromEntries([...workers.keys()].map((side) => [side, []]));
  for (let round = 0; round < options.warmups + options.rounds; round++) {
    for (const side of rotated([...workers.keys()], round)) {
      all[side].push(await measureOnce(context, workers.get(side), workload));
    }
  }
  for (const [side, results] of Object.entries(all)) {
    await suite.auditRounds?.(observer, workload, side, results);
  }
  return Object.fromEntries(
    Object.entries(all).map(([side, results]) => [side, results.slice(options.warmups)]),
  );
}

async function measureOnce({ observer, options }, worker, { concurrency, stretch = 1 }) {
  const millis = options.millis * stretch;
  await resetCommandCounts(observer);
  const result = await worker.order({ name: 'measure', concurrency, millis }, millis + GRACE_MILLIS);
  const commands = await commandCounts(observer);
  return { ...result, commands, commandsPerOp: total(commands) / result.ops };
}

function total(counts) {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

// No side always runs first, right after the pause between two rounds.
function rotated(sides, round) {
  const shift = round % sides.length;
  return [...sides.slice(shift), ...sides.slice(0, shift)];
}

module.exports = { prepareWorkers, runRounds };
