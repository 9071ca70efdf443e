'use strict';

const path = require('node:path');
const { parseArgs } = require('node:util');
const { suiteNames } = require('./suites');

const FULL = { rounds: 5, warmups: 1, millis: 1000 };
const QUICK = { rounds: 3, warmups: 1, millis: 300 };
const RESULTS = path.join(__dirname, '..', 'results');

function parseArguments(argv) {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      out: { type: 'string' },
      sides: { type: 'string' },
      only: { type: 'string' },
      rounds: { type: 'string' },
    },
  });
  const suite = suiteFrom(positionals);
  const plan = planOf(values);
  const partial = isPartial(values, plan);
  return {
    suite,
    partial,
    quick: values.quick,
    sides: values.sides?.split(','),
    only: values.only,
    out: outputFile(values.out, suite, partial),
    ...plan,
  };
}

function isPartial({ quick, sides, only }, { rounds }) {
  return Boolean(quick || sides || only) || rounds < FULL.rounds;
}

function planOf({ quick, rounds }) {
  const plan = quick ? QUICK : FULL;
  return rounds ? { ...plan, rounds: roundsFrom(rounds) } : plan;
}

function roundsFrom(text) {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new Error(`--rounds takes a number, not ${text}`);
}

function suiteFrom(positionals) {
  const [suite] = positionals;
  if (positionals.length === 1 && suiteNames().includes(suite)) return suite;
  throw new Error(`name one suite of: ${suiteNames().join(', ')}`);
}

// A partial run must not overwrite the figures of a full one.
function outputFile(out, suite, partial) {
  if (out) return path.resolve(out);
  return path.join(RESULTS, partial ? `${suite}.partial.json` : `${suite}.json`);
}

module.exports = { parseArguments };
