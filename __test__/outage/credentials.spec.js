'use strict';

const { isAway, isReady, isStable, useStage } = require('../support/stage');
const { expectAway, expectService } = require('../support/service');

const RIGHT = 'right-and-secret';
const WRONG = 'wrong-but-secret';
/** Between two attempts that need a person. */
const SHORTEST_WAIT_MS = 1500;

describe('a server that does not let us in', () => {
  const stage = useStage();

  /** The fixture's own connection has to log in, too. */
  async function locked() {
    const redis = await stage.redis({ args: ['--requirepass', RIGHT] });
    await redis.command('AUTH', RIGHT);
    return redis;
  }

  function expectNoSecret(...texts) {
    for (const text of texts) for (const secret of [RIGHT, WRONG]) expect(text).not.toContain(secret);
  }

  const WAYS_TO_BE_WRONG = {
    'as an option': (url) => ({ url, password: WRONG }),
    'in the URL': (url) => ({ url: url.replace('redis://', `redis://:${WRONG}@`) }),
    'of a user': (url) => ({ url, username: 'default', password: WRONG }),
  };

  it.each(Object.keys(WAYS_TO_BE_WRONG))('case 9: WRONGPASS %s: one clear line, recovers when corrected', async (way) => {
    const redis = await locked();
    const proxy = await stage.proxy(redis);
    const begun = performance.now();
    const backplane = stage.backplane(WAYS_TO_BE_WRONG[way](proxy.url));
    const errors = [];
    backplane.getClient().on('error', ({ message, stack }) => errors.push(message, stack));
    await expectService(backplane);
    await expectAway(backplane);
    expect(backplane.log.story).toEqual(['away']);
    expect(backplane.log.shown[0]).toContain('WRONGPASS');
    await redis.command('CONFIG', 'SET', 'requirepass', WRONG);
    await isReady(backplane);
    expect(backplane.log.story).toEqual(['away', 'ready']);
    expect(proxy.accepted).toBeLessThanOrEqual(2 + (performance.now() - begun) / SHORTEST_WAIT_MS);
    await expectService(backplane);
    expectNoSecret(backplane.log.text, ...errors);
  });

  it('case 9: NOAUTH: one clear line, recovers when no password is asked for', async () => {
    const redis = await locked();
    const backplane = stage.backplane({ url: redis.url });
    await expectService(backplane);
    await expectAway(backplane);
    expect(backplane.log.story).toEqual(['away']);
    expect(backplane.log.shown[0]).toContain('NOAUTH');
    await redis.command('CONFIG', 'SET', 'requirepass', '');
    await isReady(backplane);
    await expectService(backplane);
  });

  it('case 9: a password that is changed while we are connected, and changed back', async () => {
    const redis = await locked();
    const backplane = stage.backplane({ url: redis.url, password: RIGHT });
    await isReady(backplane);
    await backplane.cacheSet('k', 'old');
    await isStable(redis);
    await redis.command('CONFIG', 'SET', 'requirepass', WRONG);
    await redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await isAway(backplane);
    expect(backplane.log.shown.at(-1)).toContain('WRONGPASS');
    expect(await backplane.cacheSet('k', 'new')).toBe(true);
    expect(await backplane.cacheGet('k')).toBe('new');
    await expectService(backplane);
    await redis.command('CONFIG', 'SET', 'requirepass', RIGHT);
    await isReady(backplane);
    expect(await backplane.cacheGet('k')).toBeNull();
    await expectService(backplane);
    expectNoSecret(backplane.log.text);
  });
});
