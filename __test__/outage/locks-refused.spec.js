'use strict';

// Locks, while the server answers but will not serve.

const { freePort, until } = require('../support');
const { isReady, useStage } = require('../support/stage');

const HELD = { ttlSeconds: 30 };

describe('locks on a server that refuses', () => {
  const stage = useStage();
  const holderOf = ({ redis }, key = 'k') => redis.command('GET', `lock:${key}`);

  it('case 10: OOM: what is held is released on Redis, and nobody rejects', async () => {
    const all = await stage.ready({ proxied: false });
    const { backplane, redis } = all;
    const [held, kept] = [await backplane.lock('k', HELD), await backplane.lock('l', HELD)];
    await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction', 'maxmemory', 1);
    expect(typeof (await backplane.acquireLock('m'))).toBe('boolean');
    expect([await backplane.lock('l'), await backplane.acquireLock('l')]).toEqual([null, false]);
    await held.release();
    await until(async () => (await holderOf(all)) === null, { timeoutMs: 3000, what: 'free' });
    await redis.command('CONFIG', 'SET', 'maxmemory', 0);
    await isReady(backplane);
    expect([await holderOf(all, 'l'), kept.signal.aborted, await kept.release()]).toEqual([kept.token, false, true]);
  });

  it('case 10: READONLY: what is held is kept, and taken again', async () => {
    const all = await stage.ready({ proxied: false });
    const held = await all.backplane.lock('k', HELD);
    await all.redis.command('REPLICAOF', '127.0.0.1', await freePort());
    expect([await all.backplane.acquireLock('k'), await all.backplane.acquireLock('l', 30)]).toEqual([false, true]);
    await all.redis.command('REPLICAOF', 'NO', 'ONE');
    await isReady(all.backplane);
    expect([await holderOf(all), await held.release(), await all.backplane.acquireLock('l')]).toEqual([held.token, true, false]);
  });
});
