'use strict';

// Uses rate limits and closes nothing that it is not told to. It has to end by itself.

const { createBackplane } = require('../..');

const { use, ...options } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const limits = createBackplane({ ...options, logger: silent, connectTimeoutMs: 500, commandTimeoutMs: 500 });
const check = async () => (await limits.checkRateLimit('k', 1, 3600)).allowed;

async function checks(count) {
  const answers = [];
  for (let i = 0; i < count; i += 1) answers.push(await check());
  return answers;
}

const USES = {
  denied: () => checks(3),
  async closed() {
    const answers = await checks(2);
    await limits.close();
    return answers;
  },
  /** The limit is found to be exhausted while the backplane closes. */
  async closedAtOnce() {
    const answers = [check(), check()];
    limits.close();
    return Promise.all(answers);
  },
  async reset() {
    const answers = await checks(2);
    await limits.resetRateLimit('k');
    return [...answers, ...(await checks(1))];
  },
  /** Nothing but the answer can print. */
  resetLast: () => new Promise((resolve) => limits.resetRateLimit('k').then((value) => resolve(String(value)))),
  checkLast: () => new Promise((resolve) => check().then(resolve)),
};

USES[use]().then((result) => console.log(JSON.stringify(result)));
