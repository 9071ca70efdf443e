'use strict';

const { createBackplane } = require('../..');
const { startRedis } = require('../../scripts/redis-server');
const { RespClient } = require('../../scripts/resp-client');
const { startLoad } = require('./load');
const { quietLogger } = require('./log');
const { startProxy } = require('./proxy');
const { until } = require('./until');
const { witness } = require('./witness');

const DEADLINES = { connectTimeoutMs: 1000, commandTimeoutMs: 300 };

/**
 * Opens what the tests of a file need, and closes it after each of them. Every backplane is
 * watched: a test fails when a documented call rejected or a call outlived its deadline.
 */
function useStage() {
  const closers = [];
  const backplanes = [];

  afterEach(async () => {
    const outcomes = [];
    for (const close of closers.splice(0).reverse()) outcomes.push(...(await Promise.allSettled([close()])));
    const broken = backplanes.splice(0).flatMap((backplane) => backplane.broken);
    expect(broken.slice(0, 10)).toEqual([]);
    expect(outcomes.filter(({ status }) => status === 'rejected')).toEqual([]);
  });

  async function redis(options) {
    const server = await startRedis(options);
    closers.push(() => server.stop());
    return server;
  }

  /** A connection beside the server's own. */
  function client(server) {
    const opened = new RespClient(server.port);
    closers.push(async () => opened.close());
    return opened;
  }

  async function proxy(target) {
    const between = await startProxy(target.port);
    closers.push(async () => between.close());
    return between;
  }

  /** With a logger `log` of its own. `slackMs` is the witness's. */
  function backplane({ slackMs, ...options } = {}) {
    const settings = { ...DEADLINES, logger: quietLogger(), ...options };
    const opened = createBackplane(settings);
    const watched = { ...witness(opened, { ...settings, slackMs }), log: settings.logger };
    closers.push(() => opened.close());
    backplanes.push(watched);
    return watched;
  }

  /** Mixed calls until the load, or the stage, is stopped. */
  function load(target) {
    const started = startLoad(target);
    closers.push(() => started.stop());
    return started;
  }

  /** A server of its own, a proxy before it, and a backplane that is ready. */
  async function ready({ args, proxied = true, ...options } = {}) {
    const server = await redis({ args });
    const between = proxied ? await proxy(server) : undefined;
    const opened = backplane({ url: (between ?? server).url, ...options });
    await isReady(opened);
    return { redis: server, proxy: between, backplane: opened };
  }

  return { backplane, client, load, proxy, ready, redis };
}

/** A change of state has been logged, and its events emitted, when a later call is answered. */
async function isTold(backplane) {
  await backplane.cacheGet('none');
}

async function isReady(backplane) {
  await until(() => backplane.isRedisAvailable(), { what: 'Redis is ready' });
  await isTold(backplane);
}

/** Of an outage that lasts; for one that may be over at once see `wasAway`. */
async function isAway(backplane) {
  await until(() => backplane.getClient().status === 'reconnecting', { what: 'Redis is away' });
  await isTold(backplane);
}

async function wasAway(backplane, times) {
  const outages = () => backplane.log.story.filter((line) => line === 'away').length;
  await until(() => outages() >= times, { what: `outage number ${times}` });
}

/** Takes Redis away from a backplane that has a proxy before it, until it comes `back`. */
async function away({ proxy, backplane }) {
  proxy.refuse();
  proxy.cut();
  await isAway(backplane);
}

async function back({ proxy, backplane }) {
  proxy.flow();
  await proxy.accept();
  await isReady(backplane);
}

/** The connections of backplanes, oldest first, as `CLIENT LIST` has them. */
async function connectionsOf(redis) {
  const list = await redis.command('CLIENT', 'LIST');
  const fields = (line) => Object.fromEntries(line.split(' ').map((field) => field.split(/=(.*)/s)));
  return list.trim().split('\n').map(fields).filter(({ name }) => name === 'redis-backplane');
}

/** Connections that have lasted are not taken for flapping ones when they end. */
function isStable(redis) {
  const lasted = async () => (await connectionsOf(redis)).every(({ age }) => Number(age) >= 2);
  return until(lasted, { what: 'the connections are stable' });
}

module.exports = { away, back, connectionsOf, isAway, isReady, isStable, useStage, wasAway };
