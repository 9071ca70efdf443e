'use strict';

const { createCache } = require('./cache');
const { Client } = require('./client');
const { Core } = require('./core');

/** Makes a backplane; index.d.ts says what it promises. Opens no connection. */
function createBackplane(options) {
  const core = new Core(options);
  let client;

  function getClient() {
    if (core.state() === 'idle') core.start();
    client ??= new Client(core);
    return client;
  }

  return {
    ...createCache(core),
    isRedisAvailable: () => core.isRedisAvailable(),
    getClient,
    close: () => core.close(),
  };
}

module.exports = { createBackplane };
