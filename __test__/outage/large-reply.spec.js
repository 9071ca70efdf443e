'use strict';

const { until } = require('../support');
const { useStage } = require('../support/stage');

const SIZE = 50 * 1024 * 1024;
const COMMAND_TIMEOUT_MS = 10_000;

describe('a reply of 50 MB', () => {
  const stage = useStage();

  async function prepared() {
    const opened = await stage.ready({ commandTimeoutMs: COMMAND_TIMEOUT_MS });
    const value = Buffer.alloc(SIZE, 'x');
    value.write('"');
    value.write('"', SIZE - 1);
    await opened.redis.command('SET', 'cache:large', value);
    await opened.backplane.cacheSet('small', 1);
    expect(await opened.backplane.call('PING')).toEqual({ value: 'PONG' });
    return opened;
  }

  const READERS = {
    cacheGet: async (backplane) => (await backplane.cacheGet('large')).length + 2,
    'a raw GET': async (backplane) => (await backplane.call('GET', 'cache:large')).value.length,
  };

  it.each(Object.keys(READERS))('case 12: %s delays no other call', async (name) => {
    const { proxy, backplane } = await prepared();
    const [, bulk] = proxy.links;
    let arrived = 0;
    proxy.onReply((chunk) => {
      arrived += chunk.length;
    });
    // As from a network that has let a part of it through.
    bulk.flow({ request: true, reply: false });
    let isPending = true;
    const large = READERS[name](backplane).finally(() => (isPending = false));
    await until(() => arrived > 100_000, { what: 'the large reply has begun' });
    for (let i = 0; i < 20; i += 1) {
      expect(await backplane.cacheGet('small')).toBe(1);
      expect(await backplane.cacheSet(`other:${i}`, i)).toBe(true);
      expect(await backplane.cacheGetOrSet(`loaded:${i}`, () => i)).toBe(i);
      expect(await backplane.cacheDelete(`other:${i}`)).toBe(true);
    }
    expect(isPending).toBe(true);
    bulk.flow({ request: true, reply: true });
    while (isPending) expect(await backplane.cacheGet('small')).toBe(1);
    expect(await large).toBe(SIZE);
    expect(backplane.log.story).toEqual(['ready']);
  });

  it('case 12: small values that are read at the same time come first', async () => {
    const { backplane } = await prepared();
    const order = [];
    const large = backplane.cacheGet('large').then(() => order.push('large'));
    const small = Array.from({ length: 1000 }, () => backplane.cacheGet('small').then(() => order.push('small')));
    await Promise.all([large, ...small]);
    expect(order.indexOf('large')).toBe(1000);
  });
});
