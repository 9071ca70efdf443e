'use strict';

const { median, spreadPercent } = require('./stats');

// The result file contains these, so that it can be rendered without the suite.
const METRICS = [
  { key: 'opsPerSecond', label: 'ops/s', digits: 0 },
  { key: 'spreadPercent', label: 'ops/s spread %', digits: 0 },
  { key: 'p50Micros', label: 'p50 µs', digits: 1 },
  { key: 'p99Micros', label: 'p99 µs', digits: 1 },
  { key: 'mainThreadMicros', label: 'main µs/op', digits: 2 },
  { key: 'cpuMicros', label: 'CPU µs/op', digits: 2 },
  { key: 'commandsPerOp', label: 'cmds/op', digits: 2 },
  { key: 'errors', label: 'errors', digits: 0 },
];

// For all rounds together, not for one.
const OF_ALL = ['spreadPercent', 'errors'];

function summarizeRounds(rounds, metrics) {
  const column = (key) => rounds.map((round) => round[key]);
  const medianOf = metrics.map(({ key }) => key).filter((key) => !OF_ALL.includes(key));
  return {
    ...Object.fromEntries(medianOf.map((key) => [key, median(column(key))])),
    spreadPercent: spreadPercent(column('opsPerSecond')),
    errors: column('errors').reduce((sum, count) => sum + count, 0),
  };
}

module.exports = { METRICS, summarizeRounds };
