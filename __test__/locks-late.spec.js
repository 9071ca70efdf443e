'use strict';

// A lease that is over before its answer comes.

const { startProxy, uniquePrefix, until } = require('./support');
const { onRedis, usePlace } = require('./support/places');

describe('an answer that grants a lease comes after its end', () => {
  const place = usePlace(onRedis);
  let proxy;

  beforeEach(async () => {
    proxy = await startProxy(place.redis.port);
  });

  afterEach(() => proxy.close());

  test('who waits tries again under another token: what is given back is not what is taken then', async () => {
    const keyPrefix = uniquePrefix();
    const locks = await place.open({ url: proxy.url, keyPrefix, commandTimeoutMs: 10_000 });
    const tokenOf = () => place.redis.command('GET', `${keyPrefix}lock:k`);
    // The server knows the scripts.
    await locks.withLock('other', () => {});
    proxy.stallReplies();
    const waiting = locks.lock('k', { ttlSeconds: 0.3, waitMs: Infinity });
    const first = await until(tokenOf, { what: 'the lease on the server' });
    await until(async () => (await tokenOf()) === null, { what: 'its end' });
    proxy.flow();
    const lock = await waiting;
    expect(lock.token).not.toBe(first);
    expect(await tokenOf()).toBe(lock.token);
    expect(await lock.extend(5)).toBe(true);
    expect(await lock.release()).toBe(true);
  });
});
