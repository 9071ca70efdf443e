'use strict';

const { startRedis } = require('./support');
const { resultOf } = require('./support/program');

const MB = 1024 * 1024;
const FLOOD = { blockedMs: 5000, floodMs: 4500, bytes: 300 };
/** So many messages have to come for this to be a flood, whatever else the machine does. */
const AT_LEAST = 50_000;
/** What is on its way in buffers and pages, and what the allocator keeps. */
const SLACK = 40 * MB;

let redis;

beforeAll(async () => {
  // Redis must not throw out whom this machine gives too little time: then nobody could count.
  redis = await startRedis({ args: ['--client-output-buffer-limit', 'pubsub 0 0 0'] });
});

afterAll(() => redis.stop());

async function flood(pubsub) {
  const argument = { url: redis.url, port: redis.port, pubsub, ...FLOOD };
  const result = await resultOf('pubsub-flood.js', argument, { nodeArgs: ['--expose-gc'], timeoutMs: 29_000 });
  const { sent, received, dropped, blocked, afterwards } = result;
  const rate = Math.round(sent / (FLOOD.floodMs / 1000));
  console.log(`${sent} sent (${rate}/s), ${received} received, ${dropped} dropped; RSS +${(blocked / MB).toFixed(1)} MB while blocked, +${(afterwards / MB).toFixed(1)} MB afterwards`);
  expect(sent).toBeGreaterThan(AT_LEAST);
  expect(received + dropped).toBe(sent);
  expect([result.disorder, result.otherGaps]).toEqual([0, 0]);
  expect(dropped > 0).toBe(result.gaps > 0);
  return result;
}

// What one message takes beside its bytes is no more than these.
test.each([
  ['its default', undefined, 64 * MB],
  ['16 MiB', { maxQueued: 10_000_000, maxQueuedBytes: 16 * MB }, 16 * MB],
  ['1000 messages', { maxQueued: 1000 }, MB],
])('a flood while JavaScript is blocked for 5 s stays within %s', async (_bound, pubsub, queuedBytes) => {
  const { blocked, afterwards, dropped } = await flood(pubsub);
  expect(dropped).toBeGreaterThan(0);
  expect(blocked).toBeLessThan(2 * queuedBytes + SLACK);
  expect(afterwards).toBeLessThan(2 * queuedBytes + 2 * SLACK);
});
