'use strict';

// Calls what libraries call without awaiting it, on handles that have ended.

const { createBackplane } = require('../..');

const { url } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const unhandled = [];
process.on('unhandledRejection', (error) => unhandled.push(error.code ?? error.message));

function callAll(handle) {
  handle.subscribe('a');
  handle.subscribe('a', () => {});
  handle.subscribe('a', 'b', () => {});
  handle.psubscribe('a*');
  handle.ssubscribe('a');
  handle.unsubscribe('a');
  handle.punsubscribe();
  handle.sunsubscribe('a', () => {});
  handle.publish('a', 'x');
  handle.spublish('a', 'x');
  handle.sendCommand(['PUBSUB', 'NUMSUB', 'a']);
  handle.quit();
  handle.disconnect();
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function main() {
  const backplane = createBackplane({ url, logger: silent, commandTimeoutMs: 300 });
  const ended = backplane.createSubscriber();
  await ended.subscribe('a');
  ended.quit();
  callAll(ended);
  const open = backplane.createSubscriber();
  await open.subscribe('a');
  // On their way when the backplane ends.
  open.subscribe('b');
  open.publish('b', 'x');
  open.unsubscribe('a');
  const closing = backplane.close();
  callAll(open);
  await closing;
  for (const handle of [ended, open, backplane.getClient(), backplane.createSubscriber()]) callAll(handle);
  for (let i = 0; i < 3; i++) await turn();
  console.log(JSON.stringify({ unhandled }));
}

main();
