'use strict';

const { until } = require('../support');
const { isAway, isReady, useStage } = require('../support/stage');
const { expectService } = require('../support/service');

describe('what the log says of outages', () => {
  const stage = useStage();

  it('case 9: once an outage, however often it is tried and whatever the reasons are', async () => {
    const { redis, proxy, backplane } = await stage.ready();
    const another = async (attempts) => {
      const goal = proxy.accepted + attempts;
      await until(() => proxy.accepted >= goal, { what: `${attempts} more attempts` });
    };
    proxy.refuse();
    proxy.cut();
    await isAway(backplane);
    proxy.blackhole();
    await proxy.accept();
    await another(2);
    await redis.command('CONFIG', 'SET', 'requirepass', 'secret');
    proxy.flow();
    await another(1);
    await redis.command('CONFIG', 'SET', 'requirepass', '');
    await isReady(backplane);
    await expectService(backplane);
    expect(backplane.log.story).toEqual(['ready', 'away', 'ready']);
  });

  it('case 8: one line for each outage, with its reason', async () => {
    const { redis, backplane } = await stage.ready({ proxied: false });
    for (let i = 0; i < 3; i += 1) {
      await redis.kill();
      await isAway(backplane);
      await redis.restart();
      await isReady(backplane);
    }
    const outages = ['away', 'ready', 'away', 'ready', 'away', 'ready'];
    expect(backplane.log.story).toEqual(['ready', ...outages]);
    const reasons = backplane.log.shown.filter((line) => line.includes('using memory'));
    for (const line of reasons) expect(line).toMatch(/unavailable.*\S{3}.*using memory/);
  });

  it('case 8: the default logger prints these lines and no other', async () => {
    const printed = [];
    const spies = ['log', 'info', 'warn', 'error', 'debug'].map((name) =>
      jest.spyOn(console, name).mockImplementation((...words) => printed.push(words.join(' '))));
    try {
      const { redis, backplane } = await stage.ready({ proxied: false, logger: undefined });
      await redis.kill();
      await isAway(backplane);
      await expectService(backplane);
      await redis.restart();
      await isReady(backplane);
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
    const ready = '✅ Redis: Connected and ready';
    expect(printed).toEqual([ready, expect.stringMatching(/^⚠️ {2}Redis unavailable.*using memory/), ready]);
  });

  it('case 8: a logger that throws takes nothing with it', async () => {
    const throwing = () => {
      throw new Error('of the logger');
    };
    const logger = { debug: throwing, info: throwing, warn: throwing, error: throwing };
    const { redis, backplane } = await stage.ready({ proxied: false, logger });
    await redis.kill();
    await isAway(backplane);
    await expectService(backplane);
    await redis.restart();
    await isReady(backplane);
    await expectService(backplane);
  });
});
