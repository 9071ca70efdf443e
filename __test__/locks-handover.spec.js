'use strict';

const { startRedis, until } = require('./support');
const { startRemote } = require('./support/remote');

const KEY = 'k';
const KEY_PREFIX = 'handover:';
const TURNS = 50;
const KILLS = 3;
const TTL_SECONDS = 0.5;
/** How long a lock is kept for a waiter that does not come to take it. */
const KEPT_MS = 1000;
/** A noisy machine; what it usually takes is measured by the benchmark. */
const SLACK_MS = 500;
const SLACK_P50_MS = 100;

let redis;
let queue;
let peers = [];

beforeAll(async () => {
  redis = await startRedis();
});

beforeEach(async () => {
  await redis.command('FLUSHALL');
});

afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer.kill()));
});

afterAll(() => redis.stop());

/** The name of the queue has an end that depends on the lock's: the first waiter shows it. */
async function nameOfQueue() {
  const [holder, waiter] = await start(2);
  await holder.run(({ take }, key) => take(key, 30), KEY);
  const taken = waiter.run(({ take }, key) => take(key, 30), KEY);
  const [name] = await until(async () => {
    const names = await redis.command('KEYS', `${KEY_PREFIX}lock-queue:${KEY}*`);
    return names.length === 1 && names;
  });
  await holder.run(({ release }, key) => release(key), KEY);
  await taken;
  await waiter.run(({ release }, key) => release(key), KEY);
  return name;
}

async function start(count) {
  const argument = { url: redis.url, keyPrefix: KEY_PREFIX, queue };
  const started = await Promise.all(Array.from({ length: count }, () => startRemote('locks-chaos-peer.js', argument)));
  peers = [...peers, ...started];
  return started;
}
