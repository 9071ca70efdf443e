'use strict';

// A listener throws while calls are under way.

const { createBackplane } = require('../..');

const { url } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const uncaught = [];
process.on('uncaughtException', (error) => uncaught.push(error.message));

async function main() {
  const backplane = createBackplane({ url, logger: silent });
  const client = backplane.getClient();
  client.on('ready', () => {
    throw new Error('provoked by a test');
  });
  const answers = [await backplane.cacheSet('k', 1), await backplane.cacheGet('k')];
  const { status } = client;
  await backplane.close();
  return { uncaught, answers, status };
}

main().then((result) => console.log(JSON.stringify(result)));
