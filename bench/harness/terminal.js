'use strict';

const { shownMetrics, headerCells, sideCells, ratioText, targetText } = require('./format');

function renderWorkload({ title, sides, comparisons }, metrics) {
  const shown = shownMetrics(metrics, sides);
  const rows = Object.entries(sides).map(([name, side]) => sideCells(shown, name, side));
  return [
    '',
    title,
    ...alignColumns([headerCells(shown), ...rows]),
    ...comparisons.map(ratioLine),
    ...Object.entries(sides).flatMap(errorLines),
    '',
  ].join('\n');
}

function alignColumns(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => `  ${row.map((cell, column) => pad(cell, widths, column)).join('  ')}`);
}

function pad(cell, widths, column) {
  return column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]);
}

function ratioLine(comparison) {
  const { label, peer, better } = comparison;
  return `  ${label}, versus ${peer}: ${ratioText(comparison)}, ${better} is better${targetText(comparison)}`;
}

function errorLines([name, { rounds }]) {
  const failed = rounds.find((round) => round.errors > 0);
  return failed ? [`  ERRORS of ${name}, the first: ${failed.firstError}`] : [];
}

module.exports = { renderWorkload };
