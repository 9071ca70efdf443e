'use strict';

const path = require('node:path');
const { startProxy } = require('../../__test__/support/proxy');
const { startRemote } = require('../../__test__/support/remote');
const { connectionsOf } = require('../../__test__/support/stage');
const { until } = require('../../__test__/support/until');
const { startRedis } = require('../redis-server');
const { Chaos } = require('./chaos');
const { takeStock } = require('./keys');
const { failuresOf, memoryOf, threadsOf } = require('./verdict');

const CALLER = path.join('..', '..', 'scripts', 'soak', 'caller.js');
const PREFIXES = ['soak:pair:', 'soak:pair:', 'soak:lone:'];
/**
 * The average pause between the calls of a worker, so that the faults, which take time, affect half
 * of them.
 */
const PAUSE_MS = 10;
const STOCKS = 5;
const POLL_MS = 250;
/** By then an unreleased lease has ended. */
const LEASES_END_MS = 5000;

async function stocksWhile(caller, redis, calls) {
  const stocks = [];
  for (let i = 1; i <= STOCKS; i += 1) {
    const goal = (calls * i) / (STOCKS + 1);
    await until(async () => (await caller.run(({ made }) => made())) >= goal, { timeoutMs: 24 * 3600_000, everyMs: POLL_MS });
    stocks.push(await takeStock(redis, PREFIXES, { isAtEnd: false }));
  }
  return stocks;
}

/** Once more if a lease may still have existed. */
async function leftIn(redis) {
  let left;
  const isDone = async () => {
    left = await takeStock(redis, PREFIXES, { isAtEnd: true });
    return left.wrong.length === 0;
  };
  await until(isDone, { timeoutMs: LEASES_END_MS, everyMs: POLL_MS }).catch(() => {});
  return left;
}

const countOf = async (redis) => (await connectionsOf(redis)).length;

async function noConnections(redis) {
  await until(async () => (await countOf(redis)) === 0).catch(() => {});
  return countOf(redis);
}

/**
 * Makes this many calls during all kinds of faults. Resolves to figures and `failures`, for humans.
 */
async function soak({ calls, seed, say = () => {} }) {
  const closers = [];
  try {
    const redis = await startRedis();
    closers.push(() => redis.stop());
    const proxies = await Promise.all(PREFIXES.map(() => startProxy(redis.port)));
    closers.push(async () => proxies.forEach((proxy) => proxy.close()));
    const begun = performance.now();
    const caller = await startRemote(CALLER, { urls: proxies.map(({ url }) => url), prefixes: PREFIXES, calls, seed, pauseMs: PAUSE_MS });
    closers.push(() => caller.kill());
    const atBegin = await caller.run(({ begin }) => begin());
    const chaos = proxies.map((proxy, number) => new Chaos({ caller, proxy, number, seed }));
    const [stocks] = await Promise.all([stocksWhile(caller, redis, calls), ...chaos.map((each) => each.untilOver())]);
    say('Everything has been called; now to what is left.');
    const ears = await caller.run(({ examine }) => examine());
    await caller.run(({ takeBack }) => takeBack());
    const atEnd = await caller.run(({ end }) => end());
    const { samples, ...load } = await caller.run(({ figures }) => figures());
    const left = await leftIn(redis);
    const connections = await noConnections(redis);
    await caller.stop();
    const found = { load, memory: memoryOf(samples), threads: threadsOf(samples), atBegin, atEnd, stocks, left, connections, ears };
    const faults = sum(chaos.map(({ counts }) => counts));
    return { ...found, seconds: (performance.now() - begun) / 1000, faults, failures: failuresOf({ ...found, wanted: calls }) };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

function sum(counts) {
  return Object.fromEntries(Object.keys(counts[0]).map((name) => [name, counts.reduce((total, each) => total + each[name], 0)]));
}

module.exports = { soak };
