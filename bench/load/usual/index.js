'use strict';

// All functions under the names of redis-backplane, as examples/chat expects them.

const { createAdapter } = require('@socket.io/redis-adapter');
const messageCache = require('./messageCache');
const presence = require('./presenceService');
const queryCache = require('./queryCache');
const redisClient = require('./redisClient');
const { getPubSub, RedisPubSub } = require('./redisPubSub');
const sessionCache = require('./sessionCache');

let adapterClients = [];

/**
 * Two separate clients, as the adapter's documentation recommends. They wait, because nobody
 * catches errors of what the adapter publishes.
 */
function socketIoAdapter(options) {
  const [publisher, subscriber] = (adapterClients = [redisClient.createSubscriber(), redisClient.createSubscriber()]);
  return createAdapter(publisher, subscriber, options);
}

async function health() {
  const begun = performance.now();
  const isThere = await redisClient.attempt(async (redis) => (await redis.ping()) === 'PONG', false);
  return { status: isThere ? 'ok' : 'degraded', latencyMs: isThere ? performance.now() - begun : null };
}

async function close() {
  presence.close();
  await getPubSub().close();
  for (const client of adapterClients) client.disconnect();
  await redisClient.close();
}

module.exports = {
  ...redisClient,
  ...presence,
  messageCache,
  queryCache,
  sessionCache,
  getPubSub,
  RedisPubSub,
  socketIoAdapter,
  health,
  getMetrics: () => ({ functions: {} }),
  prometheusMetrics: () => '',
  close,
};
