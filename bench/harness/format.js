'use strict';

// JSON has no Infinity: for a side whose operations all failed, nulls are read back.
function number(value, digits) {
  if (!Number.isFinite(value)) return '–';
  return value.toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

// Some suites measure different things in different workloads.
function shownMetrics(metrics, sides) {
  const isMeasured = (key) => Object.values(sides).some(({ summary }) => Number.isFinite(summary[key]));
  return metrics.filter(({ key, isOptional }) => !isOptional || isMeasured(key));
}

function headerCells(metrics) {
  return ['', ...metrics.map(({ label }) => label)];
}

function sideCells(metrics, name, { summary }) {
  return [name, ...metrics.map(({ key, digits }) => number(summary[key], digits))];
}

function ratioText({ ratioOfMedians, medianOfRatios }) {
  return `${number(ratioOfMedians, 2)}× (${number(medianOfRatios, 2)}×)`;
}

function targetText({ target, bound, value, better }) {
  const wanted = `wanted at ${better === 'higher' ? 'least' : 'most'}`;
  const ratio = target ? `, ${wanted} ${target}×` : '';
  return bound ? `${ratio}; is ${number(value, 2)}, ${wanted} ${bound}` : ratio;
}

module.exports = { shownMetrics, headerCells, sideCells, ratioText, targetText };
