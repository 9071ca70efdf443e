'use strict';

const { onRedis } = require('./support/places');

const HOUR_MS = 3_600_000;

let place;
let backplane;

beforeAll(async () => {
  place = await onRedis();
  backplane = await place.open();
});

afterAll(() => place.end());
afterEach(() => jest.restoreAllMocks());

async function serverMs() {
  const [seconds, micros] = await place.redis.command('TIME');
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}

describe.each([
  ['ahead of', HOUR_MS],
  ['behind', -HOUR_MS],
])('with the clock of this process an hour %s that of the server', (_, offset) => {
  beforeEach(() => {
    const now = Date.now.bind(Date);
    jest.spyOn(Date, 'now').mockImplementation(() => now() + offset);
  });

  test.each(['fixed-window', 'sliding-window', 'token-bucket'])('a limit (%s) goes by the server', async (algorithm) => {
    const key = `limit ${algorithm} ${offset}`;
    const first = await backplane.checkRateLimit(key, 1, 10, { algorithm });
    expect(first.allowed).toBe(true);
    expect(Math.abs(first.resetAt - (await serverMs()))).toBeLessThan(30_000);
    const second = await backplane.checkRateLimit(key, 1, 10, { algorithm });
    expect(second).toMatchObject({ allowed: false, source: 'redis' });
    expect(second.retryAfterMs).toBeLessThanOrEqual(20_000);
  });

  test('a fence and a lease go by the server', async () => {
    const lock = await backplane.lock(`lock ${offset}`, { ttlSeconds: 10 });
    expect(Math.abs(lock.fence / 1000 - (await serverMs()))).toBeLessThan(30_000);
    expect(lock.signal.aborted).toBe(false);
    expect(await lock.release()).toBe(true);
  });
});
