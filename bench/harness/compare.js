'use strict';

const { median } = require('./stats');

const BETTER = {
  higher: (a, b) => a > b,
  lower: (a, b) => a < b,
};

function compareSides(suite, { targets = {}, bounds = {} }, sides) {
  if (!sides[suite.subject]) return [];
  return suite.comparisons
    .map((comparison) => compareOne(suite.subject, comparison, sides))
    .filter(Boolean)
    .map((comparison) => withTarget(comparison, targets[comparison.metric]))
    .map((comparison) => withBound(comparison, bounds[comparison.metric], sides[suite.subject]));
}

function compareOne(subject, { label, metric, better, versus }, sides) {
  // Not every workload of a suite has every metric.
  if (!Number.isFinite(sides[subject].summary[metric])) return null;
  const peer = versus === 'best' ? bestPeer(subject, metric, better, sides) : versus;
  if (!sides[peer]) return null;
  const ours = sides[subject];
  const theirs = sides[peer];
  return {
    label,
    metric,
    better,
    peer,
    ratioOfMedians: ours.summary[metric] / theirs.summary[metric],
    medianOfRatios: median(
      ours.rounds.map((round, index) => round[metric] / theirs.rounds[index][metric]),
    ),
  };
}

function withTarget(comparison, target) {
  return target ? { ...comparison, target } : comparison;
}

function withBound(comparison, bound, { summary }) {
  return bound ? { ...comparison, bound, value: summary[comparison.metric] } : comparison;
}

// By its median, so that every round is compared with the same peer.
function bestPeer(subject, metric, better, sides) {
  const value = (name) => sides[name].summary[metric];
  return Object.keys(sides)
    .filter((name) => name !== subject)
    .reduce((best, name) => (best && !BETTER[better](value(name), value(best)) ? best : name), null);
}

module.exports = { compareSides };
