'use strict';

const { randomBytes } = require('node:crypto');
const { ensureRedisServer, freePort, startRedis } = require('../../scripts/redis-server');
const { RespClient } = require('../../scripts/resp-client');
const { startProxy } = require('./proxy');
const { deadline, until } = require('./until');

function uniquePrefix() {
  return `test:${randomBytes(6).toString('hex')}:`;
}

module.exports = {
  RespClient,
  deadline,
  ensureRedisServer,
  freePort,
  startProxy,
  startRedis,
  uniquePrefix,
  until,
};
