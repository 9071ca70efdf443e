'use strict';

// The output should be the tables; failures are still reported.
const COMPLAINTS = { debug() {}, info() {}, warn: console.warn, error: console.error };

// Each opens what one process needs: { publish(channel, data), subscribe(channel, callback),
// close() }. Those of the peers are written as by hand: a connection for each direction, and a
// message is parsed once, however many callbacks there are.
const SIDES = {
  'redis-backplane': openBackplane,
  ioredis: (url) => openIoredis(url, {}),
  'ioredis-autopipeline': (url) => openIoredis(url, { enableAutoPipelining: true }),
  'node-redis': openNodeRedis,
};

function openSide(name, url) {
  return SIDES[name](url);
}

async function openBackplane(url) {
  const backplane = await connectBackplane(url);
  const pubSub = backplane.getPubSub();
  return {
    publish: (channel, data) => pubSub.publish(channel, data),
    async subscribe(channel, callback) {
      if (!(await pubSub.subscribe(channel, callback))) throw new Error(`not subscribed to ${channel}`);
    },
    close: () => backplane.close(),
  };
}

async function connectBackplane(url) {
  const { createBackplane } = require('../../..');
  const backplane = createBackplane({ url, logger: COMPLAINTS });
  if (!(await backplane.getPubSub().initialize())) throw new Error('Redis not available');
  return backplane;
}

async function openIoredis(url, options) {
  const { publisher, subscriber } = await connectIoredis(url, options);
  const topics = new Topics();
  subscriber.on('message', (channel, text) => topics.deliver(channel, JSON.parse(text)));
  return {
    publish: (channel, data) => publisher.publish(channel, JSON.stringify(data)),
    async subscribe(channel, callback) {
      if (topics.add(channel, callback)) await subscriber.subscribe(channel);
    },
    close: () => Promise.all([publisher.quit(), subscriber.quit()]),
  };
}

async function connectIoredis(url, options) {
  const { Redis } = require('ioredis');
  const [publisher, subscriber] = [new Redis(url, options), new Redis(url)];
  await Promise.all([publisher.ping(), subscriber.ping()]);
  return { publisher, subscriber };
}

async function openNodeRedis(url) {
  const { publisher, subscriber } = await connectNodeRedis(url);
  const topics = new Topics();
  const onMessage = (text, channel) => topics.deliver(channel, JSON.parse(text));
  return {
    publish: (channel, data) => publisher.publish(channel, JSON.stringify(data)),
    async subscribe(channel, callback) {
      if (topics.add(channel, callback)) await subscriber.subscribe(channel, onMessage);
    },
    close: () => Promise.all([publisher.close(), subscriber.close()]),
  };
}

async function connectNodeRedis(url) {
  const { createClient } = require('redis');
  const [publisher, subscriber] = [createClient({ url }), createClient({ url })];
  await Promise.all([publisher.connect(), subscriber.connect()]);
  return { publisher, subscriber };
}

class Topics {
  #callbacks = new Map();

  // True for the first callback of a channel.
  add(channel, callback) {
    const callbacks = this.#callbacks.get(channel);
    if (callbacks) callbacks.push(callback);
    else this.#callbacks.set(channel, [callback]);
    return !callbacks;
  }

  deliver(channel, data) {
    for (const callback of this.#callbacks.get(channel)) callback(data, channel);
  }
}

module.exports = { SIDES, openSide, connectBackplane, connectIoredis, connectNodeRedis };
