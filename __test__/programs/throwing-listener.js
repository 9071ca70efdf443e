'use strict';

// Listeners throw, each before one that does not, while calls are under way.

const { createBackplane } = require('../..');
const { startRedis } = require('../../scripts/redis-server');

const logged = [];
const logger = { debug() {}, info() {}, warn() {}, error: (line) => logged.push(line) };
const EVENTS = ['connect', 'ready', 'error', 'close', 'reconnecting', 'end', 'gap'];
const uncaught = [];
process.on('uncaughtException', (error) => uncaught.push(error.message));

/** Hears each event twice; the first listener throws. */
function hear(client, who, heard) {
  for (const event of EVENTS) {
    client.on(event, () => {
      throw new Error(`<${who} ${event}>`);
    });
    client.on(event, () => heard.push(`${who} ${event}`));
  }
}

async function until(holds) {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function main() {
  const redis = await startRedis();
  const backplane = createBackplane({ url: redis.url, logger, connectTimeoutMs: 500, commandTimeoutMs: 300 });
  const heard = [];
  const [client, subscriber] = [backplane.getClient(), backplane.createSubscriber()];
  hear(client, 'client', heard);
  hear(subscriber, 'subscriber', heard);
  const times = (event, count) => until(() => heard.filter((one) => one === event).length === count);
  const answers = [await backplane.cacheSet('k', 1), await backplane.cacheGet('k')];
  const { status } = client;
  await subscriber.subscribe('c');
  await redis.kill();
  await times('client close', 1);
  await times('subscriber close', 1);
  await redis.restart();
  await times('client ready', 2);
  await times('subscriber gap', 1);
  const quit = await subscriber.quit();
  await backplane.close();
  await times('client end', 1);
  await redis.stop();
  return { uncaught, logged, heard, answers, status, quit };
}

main().then((result) => console.log(JSON.stringify(result)));
