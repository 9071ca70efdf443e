'use strict';

const { startRedis } = require('../../scripts/redis-server');
const { compareSides } = require('./compare');
const { describeMachine, packageVersions } = require('./machine');
const { METRICS, summarizeRounds } = require('./metrics');
const { openObserver, serverVersion } = require('./observer');
const { prepareWorkers, runRounds } = require('./rounds');
const { renderWorkload } = require('./terminal');
const { startWorker } = require('./worker');

const OVERHEAD_MILLIS = 30;
const STARTUP_MILLIS = 1500;

async function runSuite(suite, options) {
  const sides = selectSides(suite, options.sides);
  const workloads = selectWorkloads(suite, options, sides);
  process.stdout.write(`About ${estimateSeconds(options, sides, workloads)} s\n`);
  const redis = await startRedis({ args: ['--save', '', '--appendonly', 'no'] });
  try {
    const observer = await openObserver(redis.url);
    try {
      const context = { suite, options, sides, observer, url: redis.url };
      return await runWorkloads(context, workloads);
    } finally {
      observer.disconnect();
    }
  } finally {
    await redis.stop();
  }
}

function selectSides(suite, wanted) {
  if (!wanted) return suite.sides;
  const unknown = wanted.filter((side) => !suite.sides.includes(side));
  if (unknown.length === 0) return suite.sides.filter((side) => wanted.includes(side));
  throw new Error(`no side ${unknown.join(', ')}; there are ${suite.sides.join(', ')}`);
}

function selectWorkloads(suite, { quick, only = '' }, sides) {
  const all = suite.workloads({ quick }).filter((workload) => sidesOf(workload, sides).length > 0);
  const selected = all.filter(({ id }) => id.includes(only));
  if (selected.length > 0) return selected;
  throw new Error(`no workload ${only}; there are ${all.map(({ id }) => id).join(', ')}`);
}

// Not every side supports every workload.
function sidesOf(workload, sides) {
  return sides.filter((side) => workload.sides?.includes(side) ?? true);
}

function estimateSeconds({ rounds, warmups, millis }, sides, workloads) {
  const perSide = ({ stretch = 1 }) =>
    (rounds + warmups) * (millis * stretch + OVERHEAD_MILLIS) + STARTUP_MILLIS;
  const total = workloads.reduce(
    (sum, workload) => sum + sidesOf(workload, sides).length * perSide(workload),
    0,
  );
  return Math.round(total / 1000);
}

async function runWorkloads(context, workloads) {
  const { suite, options, observer } = context;
  const { rounds, warmups, millis, partial } = options;
  const metrics = metricsOf(suite);
  const report = {
    suite: suite.name,
    date: new Date().toISOString(),
    run: { rounds, warmups, millis, partial },
    machine: describeMachine(await serverVersion(observer)),
    packages: packageVersions(suite.packages),
    metrics,
    workloads: [],
  };
  for (const workload of workloads) {
    const result = await runWorkload(context, workload);
    report.workloads.push(result);
    process.stdout.write(renderWorkload(result, metrics));
  }
  return report;
}

// New processes for every workload, so that none runs machine code warmed up by another workload.
async function runWorkload({ suite, options, sides, observer, url }, workload) {
  const workers = new Map();
  try {
    for (const side of sidesOf(workload, sides)) workers.set(side, startWorker(suite.name, side, url));
    const context = { suite, options, observer, workers };
    await prepareWorkers(context, workload);
    return summarizeWorkload(suite, workload, await runRounds(context, workload));
  } finally {
    await Promise.all([...workers.values()].map((worker) => worker.close()));
  }
}

function summarizeWorkload(suite, workload, rounds) {
  const sides = {};
  for (const [side, results] of Object.entries(rounds)) {
    sides[side] = { summary: summarizeRounds(results, metricsOf(suite)), rounds: results };
  }
  return { ...workload, sides, comparisons: compareSides(suite, workload, sides) };
}

function metricsOf(suite) {
  return suite.metrics ?? METRICS;
}

module.exports = { runSuite };
