'use strict';

// Loads over texts that are not JSON, with other calls all around the moment when the loaded
// value is sent. Prints what was not answered as it should be.

const { RespClient } = require('../../scripts/resp-client');
const { createBackplane } = require('../..');

const { url, port, texts } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const PATIENCE_MS = 2000;

/** The value, the code of the error, or 'pending'. */
function outcome(promise) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS, 'pending');
  });
  return Promise.race([promise.catch((error) => error.code), late]).finally(() => clearTimeout(timer));
}

async function tryOne(observer, text, number) {
  const backplane = createBackplane({ url, logger: silent, keyPrefix: `${number}:` });
  await backplane.cacheSet('good', 'good');
  await observer.command('SET', `${number}:cache:bad`, Buffer.from(text, 'base64'));
  const neighbours = [];
  const callOthers = async () => {
    for (let i = 0; i < 40; i++) {
      neighbours.push(backplane.cacheGet('good'));
      await null;
    }
  };
  const load = backplane.cacheGetOrSet('bad', () => {
    callOthers();
    return 'loaded';
  });
  const loaded = await outcome(load);
  const answers = await Promise.all(neighbours.map(outcome));
  await outcome(backplane.close());
  const unanswered = answers.filter((answer) => answer !== 'good').length;
  return loaded === 'loaded' && unanswered === 0 ? [] : [{ number, loaded, unanswered }];
}

async function main() {
  const observer = new RespClient(port);
  const wrong = await Promise.all(texts.map((text, number) => tryOne(observer, text, number)));
  observer.close();
  process.stdout.write(JSON.stringify(wrong.flat()), () => process.exit());
}

main();
