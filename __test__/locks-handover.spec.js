'use strict';

const { createBackplane } = require('..');
const { startRedis, until } = require('./support');
const { quietLogger } = require('./support/log');
const { startRemote } = require('./support/remote');

const KEY = 'k';
const KEY_PREFIX = 'handover:';
const TURNS = 50;
const KILLS = 3;
const FIRSTS = 20;
const TTL_MS = 500;
/** How long a lock is kept for a waiter that does not come to take it. */
const KEPT_MS = 1000;
/** For a noisy machine; how long it takes on a quiet one is measured by the benchmark. */
const SLACK_MS = 500;
const P50_MS = 100;

let redis;
const peers = [];

beforeAll(async () => {
  redis = await startRedis();
});

afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer.kill()));
  await redis.command('FLUSHALL');
});

afterAll(() => redis.stop());

async function start(count) {
  const begin = async () => {
    const peer = await startRemote('locks-chaos-peer.js', { url: redis.url, keyPrefix: KEY_PREFIX });
    peers.push(peer);
    return peer;
  };
  return Promise.all(Array.from({ length: count }, begin));
}

/** How many wait for the lock; there is a queue as long as anybody does. */
async function waiters() {
  const [queue] = await redis.command('KEYS', `${KEY_PREFIX}lock-queue:*`);
  return queue === undefined ? 0 : redis.command('ZCARD', queue);
}

const take = (peer, ttlMs = 30_000) => peer.run((offered, ...args) => offered.take(...args), KEY, ttlMs / 1000);
const release = (peer) => peer.run((offered, key) => offered.release(key), KEY);
const takeTurns = (peer, isLast) => peer.run((offered, ...args) => offered.takeTurns(...args), KEY, TURNS, isLast);
const areWaiting = (count) => until(async () => (await waiters()) === count, { what: `${count} waiters` });

/** Each process waits for the lock, in this order; answers what each of them comes to. */
async function lineUp(line) {
  const outcomes = [];
  for (const peer of line) {
    const outcome = peer.run((offered, key) => offered.pass(key), KEY);
    // It may be that of a process which is killed.
    outcome.catch(() => {});
    outcomes.push(outcome);
    await areWaiting(outcomes.length);
  }
  return outcomes;
}

/** So many processes can be called. */
function areListening(count) {
  const channels = () => redis.command('PUBSUB', 'CHANNELS', `${KEY_PREFIX}backplane:lock:*`);
  return until(async () => (await channels()).length === count, { what: `${count} processes listen` });
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

test('a lock that is released goes to the next waiter at once, from process to process', async () => {
  const [a, b] = await start(2);
  // Both have waited before, and can be called.
  for (const [i, [holder, waiter]] of [[a, b], [b, a]].entries()) {
    await take(holder);
    const [outcome] = await lineUp([waiter]);
    await areListening(i + 1);
    await release(holder);
    await outcome;
  }
  await take(a);
  const ofB = takeTurns(b, false);
  await areWaiting(1);
  const ofA = takeTurns(a, true);
  await areWaiting(2);
  await release(a);
  const turns = (await Promise.all([ofA, ofB])).flat().sort((a, b) => a.fence - b.fence);
  const handovers = turns.slice(1).map((next, i) => ({ ms: (next.at - turns[i].releasedAt) / 1000, hasWaited: next.asked < turns[i].releasedAt }));
  expect(handovers.every(({ hasWaited }) => hasWaited)).toBe(true);
  expect(Math.min(...handovers.map(({ ms }) => ms))).toBeGreaterThanOrEqual(0);
  expect(median(handovers.map(({ ms }) => ms))).toBeLessThan(P50_MS);
});

test('the first waiter of a process is not overtaken, even if it cannot be called yet', async () => {
  const options = { url: redis.url, keyPrefix: KEY_PREFIX, logger: quietLogger() };
  const [holder, ...waiting] = Array.from({ length: 1 + FIRSTS }, () => createBackplane(options));
  try {
    // They are connected, and none has waited.
    await Promise.all(waiting.map((each) => each.cacheGet('settled')));
    for (const backplane of waiting) {
      const held = await holder.lock(KEY);
      const waiter = backplane.lock(KEY, { waitMs: 5000 });
      // Answered after it: by now it waits, and its process has hardly begun to listen.
      await backplane.cacheGet('settled');
      const [isReleased, again] = await Promise.all([held.release(), holder.lock(KEY)]);
      await again?.release();
      expect([isReleased, again]).toEqual([true, null]);
      expect(await (await waiter).release()).toBe(true);
    }
  } finally {
    await Promise.all([holder, ...waiting].map((each) => each.close()));
  }
});

test('a lock whose holder was killed goes to the next waiter at the end of the lease', async () => {
  for (let i = 0; i < KILLS; i += 1) {
    const [holder, waiter] = await start(2);
    const held = await take(holder, TTL_MS);
    const [outcome] = await lineUp([waiter]);
    await holder.kill();
    const { fence, asked, at } = await outcome;
    expect(fence).toBeGreaterThan(held.fence);
    expect(asked - held.at).toBeLessThan(TTL_MS * 1000);
    expect(at - held.asked).toBeGreaterThanOrEqual((TTL_MS - 2) * 1000);
    expect(at - held.at).toBeLessThan((TTL_MS + SLACK_MS) * 1000);
  }
});

test('three processes get a lock in the order in which they asked, however often', async () => {
  const [holder, a, b, c] = await start(4);
  await take(holder);
  const outcomes = await lineUp([a, b, c, c, a, b, b, a, c]);
  const releasedAt = await release(holder);
  const passed = await Promise.all(outcomes);
  const fences = passed.map(({ fence }) => fence);
  expect(fences).toEqual([...fences].sort((x, y) => x - y));
  for (const [i, { at }] of passed.entries()) expect(at).toBeGreaterThanOrEqual(passed[i - 1]?.releasedAt ?? releasedAt);
});

test('a waiter that was killed holds nobody up', async () => {
  const [holder, killed, next, last] = await start(4);
  await take(holder);
  const [, ofNext, ofLast] = await lineUp([killed, next, last]);
  await killed.kill();
  const releasedAt = await release(holder);
  const passed = await ofNext;
  expect(passed.at - releasedAt).toBeLessThan(SLACK_MS * 1000);
  expect((await ofLast).fence).toBeGreaterThan(passed.fence);
});

test('a waiter that was stopped holds the others up for a second, and gets the lock when it goes on', async () => {
  const [holder, stopped, next] = await start(3);
  const pid = await stopped.run((offered) => offered.pid);
  await take(holder);
  const [ofStopped, ofNext] = await lineUp([stopped, next]);
  process.kill(pid, 'SIGSTOP');
  const releasedAt = await release(holder);
  const passed = await ofNext;
  expect(passed.at - releasedAt).toBeLessThan((KEPT_MS + SLACK_MS) * 1000);
  process.kill(pid, 'SIGCONT');
  expect((await ofStopped).fence).toBeGreaterThan(passed.fence);
});
