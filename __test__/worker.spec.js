'use strict';

const { RespClient, startRedis, until } = require('./support');
const { NOBODY } = require('./support/places');
const { resultOf } = require('./support/program');

let redis;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(() => redis.stop());

/** What each worker says before its end. */
const SAYS = {
  terminate: ['works', 'terminate me'],
  exit: ['works'],
  exception: ['works', 'provoked by a test'],
  close: ['works'],
  idle: ['works'],
};

async function connectionsLeft() {
  const observer = new RespClient(redis.port);
  const list = await observer.command('CLIENT', 'LIST');
  observer.close();
  return list.split('\n').filter((line) => line.includes('name=redis-backplane')).length;
}

describe.each([['redis', () => redis.url], ['memory', () => NOBODY]])('workers on %s', (_where, urlOf) => {
  test.each([['terminate', 20], ['exit', 5], ['exception', 5], ['close', 5], ['idle', 5]])(
    'that end by "%s" with calls in flight crash nothing, %i times',
    async (end, rounds) => {
      const { said, wrong, called } = await resultOf('workers.js', { url: urlOf(), end, rounds }, { timeoutMs: 25_000 });
      expect(said).toEqual(Array(rounds).fill(SAYS[end]));
      expect([wrong, called]).toEqual([0, true]);
    }
  );

  test('several at once, beside the main thread', async () => {
    const { said, wrong } = await resultOf('workers.js', { url: urlOf(), end: 'terminate', rounds: 3, atOnce: 6 }, { timeoutMs: 25_000 });
    expect(said).toEqual(Array(18).fill(SAYS.terminate));
    expect(wrong).toBe(0);
  });
});

test('the server sees none of their connections afterwards', async () => {
  await until(async () => (await connectionsLeft()) === 0, { what: 'no connection left' });
});

test('connections of a terminated worker end while the process goes on', async () => {
  const { connections } = await resultOf('worker-connections.js', { url: redis.url, port: redis.port });
  expect(connections.during).toBeGreaterThan(0);
  expect(connections.after).toBe(0);
});
