'use strict';

// What the native half cannot make sense of is an error, never the end of the process.

const { createBackplane } = require('../..');
const { queue } = require('../../lib/queue');

const { url } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };

function outcome(act) {
  try {
    act();
    return 'no error';
  } catch (error) {
    return error instanceof Error;
  }
}

async function main() {
  const backplane = createBackplane({ url, logger: silent });
  await backplane.cacheSet('k', 1);
  const { native } = queue();
  const beyond = 2 ** 31;
  const outcomes = [
    outcome(() => native.submit(1, beyond, 0, true, 0)),
    outcome(() => native.submit(1, 0, beyond, true, 0)),
    outcome(() => native.submit(1, 0, 0, true, beyond)),
  ];
  const works = [await backplane.cacheGet('k'), await backplane.cacheSet('k', 2)];
  await backplane.close();
  console.log(JSON.stringify({ outcomes, works }));
}

main();
