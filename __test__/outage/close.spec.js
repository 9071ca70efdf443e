'use strict';

const { setImmediate: nextTurn } = require('node:timers/promises');

const { createBackplane } = require('../..');
const { until } = require('../support');
const { quietLogger } = require('../support/log');
const { isReady, useStage } = require('../support/stage');

const KEYS = 300_000;

describe('close', () => {
  const stage = useStage();

  it('while a pattern delete connects anew: nothing is connected, and nothing deleted, after it', async () => {
    const redis = await stage.redis({ args: ['--enable-debug-command', 'local'] });
    const proxy = await stage.proxy(redis);
    const backplane = createBackplane({ url: proxy.url, commandTimeoutMs: 400, logger: quietLogger() });
    await isReady(backplane);
    await redis.command('DEBUG', 'POPULATE', KEYS, 'cache:many', 10);
    proxy.delay(10);
    const deletion = backplane.cacheDeletePattern('many:*');
    await until(async () => (await redis.command('DBSIZE')) < KEYS, { what: 'it has begun' });
    const [, bulk] = proxy.links;
    const closing = backplane.close();
    // The close is under way when the connection for long work ends.
    await nextTurn();
    await nextTurn();
    bulk.reset();
    await until(() => proxy.links.length > 1 && proxy.links.at(-1) !== bulk, { what: 'another one is opened' });
    const opening = proxy.links.at(-1);
    opening.flow({ request: false, reply: true });
    await closing;
    const left = await redis.command('DBSIZE');
    opening.flow({ request: true, reply: true });
    await until(() => proxy.connections === 0, { what: 'no connection is left' });
    expect(await redis.command('DBSIZE')).toBe(left);
    expect(proxy.accepted).toBe(3);
    await Promise.allSettled([deletion]);
  });
});
