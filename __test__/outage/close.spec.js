'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

const { createBackplane } = require('../..');
const { until } = require('../support');
const { quietLogger } = require('../support/log');
const { isReady, useStage } = require('../support/stage');

const KEYS = 300_000;
const DEADLINE_MS = 1000;

describe('close', () => {
  const stage = useStage();

  // A call has a deadline to end in; the connection for long work breaks, and is opened again, on both sides of its end.
  it('while a pattern delete connects anew: nothing is connected, and nothing deleted, after it', async () => {
    const redis = await stage.redis({ args: ['--enable-debug-command', 'local'] });
    const proxy = await stage.proxy(redis);
    const backplane = createBackplane({ url: proxy.url, commandTimeoutMs: DEADLINE_MS, logger: quietLogger() });
    await isReady(backplane);
    await redis.command('DEBUG', 'POPULATE', KEYS, 'cache:many', 10);
    proxy.delay(DEADLINE_MS / 8);
    const deletion = backplane.cacheDeletePattern('many:*');
    await until(async () => (await redis.command('DBSIZE')) < KEYS, { what: 'it has begun' });
    const [, bulk] = proxy.links;
    const closing = backplane.close();
    await sleep(DEADLINE_MS * 0.6);
    bulk.reset();
    await closing;
    await until(() => proxy.connections === 0, { what: 'no connection is left' });
    const left = await redis.command('DBSIZE');
    expect(left).toBeGreaterThan(KEYS / 2);
    await Promise.allSettled([deletion]);
    expect(await redis.command('DBSIZE')).toBe(left);
  });
});
