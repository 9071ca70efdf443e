'use strict';

const path = require('node:path');
const { startRedis } = require('./support');
const { NOBODY } = require('./support/places');
const { resultOf, runProgram } = require('./support/program');

const MB = 1024 * 1024;
/** A leak of a connection, a queue or a mailbox in each cycle would be more. */
const BOUND_BYTES = 24 * MB;

let redis;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(() => redis.stop());

describe.each([['redis', () => redis.url], ['memory', () => NOBODY]])('a process with subscriptions on %s (case 53)', (where, urlOf) => {
  const USES = ['pubSub', 'twice', 'iterator', 'listener', 'events', 'pattern'];
  const ENDS = ['itself', 'handle', 'backplane', 'exit'];

  test.each(USES.flatMap((use) => ENDS.map((end) => [use, end])))('is kept alive by %s, until the end of it: %s', async (use, end) => {
    expect(await resultOf('pubsub-alive.js', { url: urlOf(), use, end })).toBe('heard');
  });

  test.each([
    ['initialize', 'boolean'],
    ['publish', 0],
    ['handle', 0],
    ['iteratorNotBegun', 'function'],
    ['unsubscribed', [true, 1, 0]],
    ['atOnce', 0],
    ['rejected', ['E_INVALID_CHANNEL', 'E_INVALID_CALLBACK', 'E_INVALID_CHANNEL']],
    ['resources', 'the same'],
  ])('ends by itself when none is open: %s', async (use, result) => {
    expect(await resultOf('pubsub-idle.js', { url: urlOf(), use })).toEqual(result);
  });

  test('100 backplanes opened, subscribed and closed leave nothing', async () => {
    const { after, threads, rss } = await resultOf(
      'open-close.js',
      { url: urlOf(), port: redis.port, subscribes: true, warmUp: 50, cycles: 100 },
      { nodeArgs: ['--expose-gc'], timeoutMs: 28_000 }
    );
    console.log(`${where}: RSS ${(rss.before / MB).toFixed(1)} → ${(rss.after / MB).toFixed(1)} MB, threads ${threads.before} → ${threads.after}`);
    expect(after).toBe(0);
    expect(threads.after).toBeLessThanOrEqual(threads.before);
    expect(rss.after - rss.before).toBeLessThan(BOUND_BYTES);
  });

  test('jest ends by itself after close, and finds no open handle', async () => {
    const jest = path.join(path.dirname(require.resolve('jest/package.json')), 'bin', 'jest.js');
    const use = `
      const pubSub = backplane.getPubSub();
      const heard = new Promise((resolve) => pubSub.subscribe('c', resolve));
      const handle = backplane.createSubscriber();
      await handle.subscribe('c', 'd');
      await handle.psubscribe('*', () => {}, true);
      const next = pubSub.messages('c').next();
      await backplane.publish('c', 1);
      expect(await heard).toBe(1);
      pubSub.messages('other').next().then(() => {});
    `;
    const { code, stdout, stderr } = await runProgram('run-jest.js', { jest, url: urlOf(), use }, { timeoutMs: 25_000 });
    expect({ code, told: stdout + stderr }).toEqual({ code: 0, told: expect.stringMatching(/1 passed/) });
    expect(stdout + stderr).not.toMatch(/open handle|did not exit|Cannot log after/i);
  });
});

test('workers that are terminated while messages come crash nothing, and leave no subscription', async () => {
  const result = await resultOf('pubsub-workers.js', { url: redis.url, port: redis.port, rounds: 10 }, { timeoutMs: 28_000 });
  expect(result).toEqual({ errors: [], isInOrder: true, left: 1 });
});
