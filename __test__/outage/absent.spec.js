'use strict';

const { freePort, until } = require('../support');
const { isAway, isReady, useStage } = require('../support/stage');
const {
  change, expectAway, expectNothingStale, expectOthersKept, expectService, seed, writeAsAnother,
} = require('../support/service');

describe('a server that is not there at start', () => {
  const stage = useStage();

  it('case 8: refused: the calls are answered from memory, and it is found when it appears', async () => {
    const port = await freePort();
    const backplane = stage.backplane({ url: `redis://127.0.0.1:${port}` });
    await expectService(backplane);
    await change(backplane);
    await expectAway(backplane);
    const redis = await stage.redis({ port });
    await isReady(backplane);
    await expectNothingStale(backplane, redis);
    await expectService(backplane);
    expect(await backplane.call('PING')).toEqual({ value: 'PONG' });
    expect(backplane.log.story).toEqual(['away', 'ready']);
  });

  it('case 8: refused, while Redis holds older and foreign values: nothing is stale, nothing shadowed', async () => {
    const redis = await stage.redis();
    const proxy = await stage.proxy(redis);
    await seed(redis);
    proxy.refuse();
    const backplane = stage.backplane({ url: proxy.url });
    await change(backplane);
    await writeAsAnother(redis);
    await proxy.accept();
    await isReady(backplane);
    await expectNothingStale(backplane, redis);
    await expectOthersKept(backplane);
  });

  it('case 8: a name that does not exist', async () => {
    const backplane = stage.backplane({ host: 'does-not-exist.invalid' });
    await expectService(backplane);
    await isAway(backplane);
    await change(backplane);
    await expectAway(backplane);
    expect(backplane.log.story).toEqual(['away']);
  });

  it('case 8: the event and the status tell it, and nothing is thrown', async () => {
    const backplane = stage.backplane({ port: await freePort(), host: '127.0.0.1' });
    const client = backplane.getClient();
    const errors = [];
    client.on('error', ({ code }) => errors.push(code));
    await expect(client.connect()).rejects.toMatchObject({ code: 'E_UNAVAILABLE' });
    expect(client.status).toBe('reconnecting');
    expect(errors[0]).toBe('E_UNAVAILABLE');
  });

  it('case 6: accepts and never answers: the first calls wait for connectTimeoutMs at most', async () => {
    const redis = await stage.redis();
    await seed(redis);
    const proxy = await stage.proxy(redis);
    proxy.blackhole();
    const backplane = stage.backplane({ url: proxy.url, connectTimeoutMs: 400 });
    const firstOnes = [
      backplane.cacheGet('h:set'),
      backplane.cacheSet('first', 1),
      backplane.cacheDelete('h:deleted'),
      backplane.cacheDeletePattern('none:*'),
      backplane.cacheGetOrSet('loaded', () => 2),
      backplane.call('PING'),
    ];
    expect(await Promise.all(firstOnes)).toEqual([null, true, true, 0, 2, { code: 'E_UNAVAILABLE' }]);
    await expectService(backplane);
    await change(backplane);
    await writeAsAnother(redis);
    proxy.flow();
    await isReady(backplane);
    await expectNothingStale(backplane, redis);
    await expectOthersKept(backplane);
    expect(backplane.log.story).toEqual(['away', 'ready']);
  });

  it('case 6: falls silent in the middle of the first attempt: no call waits longer for that', async () => {
    const redis = await stage.redis();
    const proxy = await stage.proxy(redis);
    let answered = 0;
    proxy.delay(70);
    // Two exchanges are slow but answered; then nothing comes any more.
    proxy.onReply(() => ((answered += 1) > 2 ? null : undefined));
    const backplane = stage.backplane({ url: proxy.url, connectTimeoutMs: 400, commandTimeoutMs: 400 });
    expect(await Promise.all([backplane.cacheGet('read'), backplane.cacheSet('written', 1)])).toEqual([null, true]);
    await expectService(backplane);
    proxy.onReply(() => {});
    proxy.delay(0);
    await isReady(backplane);
  });

  it('case 8: two outages at start and later are told once each', async () => {
    const redis = await stage.redis();
    const proxy = await stage.proxy(redis);
    proxy.blackhole();
    const backplane = stage.backplane({ url: proxy.url, connectTimeoutMs: 50 });
    await expectService(backplane);
    const before = proxy.accepted;
    await until(() => proxy.accepted >= before + 3, { what: 'three more attempts' });
    proxy.flow();
    await isReady(backplane);
    proxy.blackhole();
    await isAway(backplane);
    proxy.flow();
    await isReady(backplane);
    expect(backplane.log.story).toEqual(['away', 'ready', 'away', 'ready']);
  });
});
