'use strict';

const { Redis } = require('ioredis');

// The harness's own connection: it seeds and audits keys, and asks the server what it executed.
async function openObserver(url) {
  // Without a retry: a server that is gone fails the run immediately.
  const redis = new Redis(url, { retryStrategy: null, maxRetriesPerRequest: 0 });
  redis.on('error', () => {});
  await redis.ping();
  return redis;
}

async function serverVersion(redis) {
  return /^redis_version:(\S+)/m.exec(await redis.info('server'))[1];
}

async function resetCommandCounts(redis) {
  await redis.config('RESETSTAT');
}

async function commandCounts(redis) {
  const counts = {};
  for (const [, name, calls] of (await redis.info('commandstats')).matchAll(
    /^cmdstat_([^:]+):calls=(\d+)/gm,
  )) {
    if (!isOwnCommand(name)) counts[name] = Number(calls);
  }
  return counts;
}

function isOwnCommand(name) {
  return name === 'info' || name.startsWith('config');
}

module.exports = { openObserver, serverVersion, resetCommandCounts, commandCounts };
