'use strict';

const { createCache } = require('./cache');
const { Client } = require('./client');
const { Core } = require('./core');
const { createLimits } = require('./rate-limits');
const { createLoader } = require('./loader');
const { createLocks } = require('./locks');
const { createMetrics } = require('./metrics');
const { createMessageCache } = require('./message-cache');
const { createPresence } = require('./presence');
const { createPubSub } = require('./pubsub');
const { createQueryCache } = require('./query-cache');
const { createSessionCache } = require('./session-cache');
const { createSocketIo } = require('./socketio');

/** Creates a backplane. index.d.ts documents its contract. Opens no connection. */
function createBackplane(options) {
  const core = new Core(options);
  const load = createLoader(core);
  let client;

  function getClient() {
    if (core.state() === 'idle') core.start();
    client ??= new Client(core, { isRoot: true });
    return client;
  }

  return {
    ...createCache(core, load),
    ...createMetrics(core),
    messageCache: createMessageCache(core),
    queryCache: createQueryCache(core, load),
    sessionCache: createSessionCache(core),
    ...createLimits(core),
    ...createLocks(core),
    ...createPresence(core),
    ...createPubSub(core),
    createSubscriber: () => getClient().duplicate(),
    socketIoAdapter: createSocketIo(core, getClient, () => new Client(core, { isQuiet: true })),
    isRedisAvailable: () => core.isRedisAvailable(),
    getClient,
    close: () => core.close(),
  };
}

module.exports = { createBackplane };
