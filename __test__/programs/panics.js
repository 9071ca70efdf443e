'use strict';

// What the native half cannot make sense of is an error, never the end of the process.

const { createBackplane } = require('../..');
const { queue } = require('../../lib/queue');

const { url } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const BEYOND = 2 ** 31;

function outcome(act) {
  try {
    act();
    return 'no error';
  } catch (error) {
    return error instanceof Error;
  }
}

/** Calls of one tick that the native half panics at. */
async function codesOfMisread(backplane) {
  const { native } = queue();
  native.submit = (calls, _words, ...rest) => Object.getPrototypeOf(native).submit.call(native, calls, BEYOND, ...rest);
  const calls = [backplane.cacheGet('k'), backplane.cacheSet('k', 3), backplane.getClient().call('GET', 'k')];
  const outcomes = await Promise.allSettled(calls);
  delete native.submit;
  return outcomes.map(({ reason }) => reason?.code);
}

async function main() {
  const backplane = createBackplane({ url, logger: silent });
  await backplane.cacheSet('k', 1);
  const { native } = queue();
  const outcomes = [
    outcome(() => native.submit(1, BEYOND, 0, true, 0)),
    outcome(() => native.submit(1, 0, BEYOND, true, 0)),
    outcome(() => native.submit(1, 0, 0, true, BEYOND)),
  ];
  const codes = await codesOfMisread(backplane);
  const works = [await backplane.cacheGet('k'), await backplane.cacheSet('k', 2)];
  await backplane.close();
  console.log(JSON.stringify({ outcomes, codes, works }));
}

main();
