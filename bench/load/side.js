'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { startRedis } = require('../../scripts/redis-server');
const { Cluster } = require('./cluster');
const { Sampler } = require('./sampler');
const { summarize } = require('./summary');

const WARM_UP_SHARE = 0.2;
/** Before Redis is killed: messages in transit then may be lost between instances. */
const BEFORE_OUTAGE_MS = 1000;
/** Once both have Redis again, all subscriptions are given this time. */
const AFTER_OUTAGE_MS = 5000;
/** For late messages. */
const DRAIN_MS = 5000;
const POLL_MS = 100;

/** Runs the load on one side's modules. */
async function runSide(modules, options, say) {
  const redis = await startRedis();
  const cluster = new Cluster();
  let sampler;

  async function enter(name) {
    sampler.phase = name;
    await cluster.ofClients('phase', { name });
  }

  async function outage() {
    await enter('outage');
    await sleep(BEFORE_OUTAGE_MS);
    await redis.kill();
    say('  Redis has been killed');
    await sleep(options.outage * 1000);
    await redis.restart();
    sampler.isRedisEverywhere = false;
    while (!sampler.isRedisEverywhere && cluster.crashes.length === 0) await sleep(POLL_MS);
    await sleep(AFTER_OUTAGE_MS);
    say('  Redis is back, and both instances know');
    await enter('steady');
  }

  try {
    const opening = performance.now();
    await cluster.open({ ...options, modules, url: redis.url });
    say(`  ${options.clients} clients in ${options.rooms} rooms after ${((performance.now() - opening) / 1000).toFixed(1)} s`);
    sampler = new Sampler(cluster);
    await cluster.ofClients('start');
    const end = performance.now() + options.seconds * 1000;
    await sleep(options.seconds * 1000 * WARM_UP_SHARE);
    await enter('steady');
    await sleep(options.seconds * 1000 * (0.5 - WARM_UP_SHARE));
    if (options.outage > 0) await outage();
    await sleep(Math.max(0, end - performance.now()));
    sampler.stop();
    await cluster.ofClients('stop');
    await sleep(DRAIN_MS);
    const results = await cluster.ofClients('result');
    const troubles = await cluster.troubles();
    return summarize({ modules, results, samples: sampler.samples, troubles, crashes: cluster.crashes, options });
  } finally {
    sampler?.stop();
    await cluster.close();
    await redis.stop();
  }
}

module.exports = { runSide };
