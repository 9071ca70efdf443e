'use strict';

const { shownMetrics, headerCells, sideCells, ratioText, targetText } = require('./format');

function renderMarkdown(report) {
  return [
    ...(report.run.partial ? ['**From a partial run, not for publication.**', ''] : []),
    ...machineLines(report),
    '',
    ...ratioTable(report.workloads),
    ...report.workloads.flatMap((workload) => workloadTable(workload, report.metrics)),
    '',
  ].join('\n');
}

function machineLines({ date, machine, packages, run }) {
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  return [
    `- Machine: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}`,
    `- Node.js ${machine.node}, redis-server ${machine.redisServer} on the same machine`,
    `- Packages: ${versions.join(', ')}`,
    `- ${date.slice(0, 10)}: medians of ${run.rounds} rounds of ${run.millis} ms each, ` +
      `after ${run.warmups} warm-up`,
  ];
}

function ratioTable(workloads) {
  const columns = ratioColumns(workloads);
  if (columns.length === 0) return [];
  const header = columns.map(({ label, better }) => `${label}, ${better} is better`);
  return [
    ...table(
      ['workload', ...header],
      workloads.map((workload) => [
        workload.title,
        ...columns.map(({ label }) => ratioCell(workload.comparisons, label)),
      ]),
    ),
    '',
    'Each ratio is a ratio of medians. In brackets: the median of the ratios of each round.',
  ];
}

// For all workloads, because not every one has every comparison.
function ratioColumns(workloads) {
  const byLabel = new Map();
  for (const comparison of workloads.flatMap(({ comparisons }) => comparisons)) {
    if (!byLabel.has(comparison.label)) byLabel.set(comparison.label, comparison);
  }
  return [...byLabel.values()];
}

function ratioCell(comparisons, label) {
  const comparison = comparisons.find((one) => one.label === label);
  if (!comparison) return '–';
  return `${ratioText(comparison)} ${comparison.peer}${targetText(comparison)}`;
}

function workloadTable({ title, sides }, metrics) {
  const shown = shownMetrics(metrics, sides);
  const rows = Object.entries(sides).map(([name, side]) => sideCells(shown, name, side));
  return ['', `### ${title}`, '', ...table(headerCells(shown), rows)];
}

function table(header, rows) {
  const rule = header.map((_, column) => (column === 0 ? '---' : '---:'));
  return [header, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`);
}

module.exports = { renderMarkdown };
