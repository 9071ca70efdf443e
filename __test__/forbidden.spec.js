'use strict';

// What an access rule forbids, or a server does not know any more, is said once, and no function is worse off for it than it must be.

const { CALLS, nameOf, namesOfFunctions, FUNCTIONS } = require('./support/functions');
const { away, back, isReady, useStage } = require('./support/stage');
const { expectService } = require('./support/service');
const { deadline, until } = require('./support');

const renamed = (...names) => names.flatMap((name) => ['--rename-command', name, '']);
const rule = (...words) => (redis) => redis.command('ACL', 'SETUSER', 'app', 'reset', 'on', '>secret', '+@all', '~*', '&*', ...words);

/** What is forbidden, how, and how it is named. */
const CASES = [
  ['scripts, by a rule', { rule: rule('-@scripting'), names: ['EVALSHA'] }],
  ['EVAL, renamed', { args: renamed('EVAL', 'EVALSHA'), names: ['EVALSHA'] }],
  ['GETRANGE, by a rule', { rule: rule('-getrange'), names: ['GETRANGE'] }],
  ['GETRANGE, renamed', { args: renamed('GETRANGE'), names: ['GETRANGE'] }],
  ['UNLINK, by a rule', { rule: rule('-unlink'), names: ['UNLINK'] }],
  ['UNLINK, renamed', { args: renamed('UNLINK'), names: ['UNLINK'] }],
  ['SCAN, by a rule', { rule: rule('-scan'), names: ['SCAN'] }],
  ['SCAN, renamed', { args: renamed('SCAN'), names: ['SCAN'] }],
  ['TIME, which scripts need', { rule: rule('-time'), names: ['a command of a script'] }],
  ['SET', { rule: rule('-set'), names: ['SET', 'a command of a script'] }],
  ['PUBLISH', { rule: rule('-publish'), names: ['PUBLISH'] }],
  ['all channels', { rule: rule('resetchannels'), names: ['channels'] }],
  ['all keys but those of the cache', { rule: rule('resetkeys', '~cache:*', '~backplane:*'), names: ['keys'] }],
];

describe('what a server forbids', () => {
  const stage = useStage();

  async function start({ rule: setRule, args }, options) {
    const redis = await stage.redis({ args });
    await setRule?.(redis);
    const proxy = await stage.proxy(redis);
    const url = setRule ? proxy.url.replace('redis://', 'redis://app:secret@') : proxy.url;
    const backplane = stage.backplane({ url, commandTimeoutMs: 1000, ...options });
    await isReady(backplane);
    return { redis, proxy, backplane };
  }

  /** Every function, once; what rejects has a code. */
  async function useAll(backplane) {
    const codes = {};
    for (const [what, { before, call, options }] of CALLS) {
      if (nameOf(what) === 'close' || nameOf(what) === 'RedisPubSub.close' || options) continue;
      await before?.(backplane);
      await deadline(call(backplane), 5000, what).catch((error) => {
        codes[what] = error.code ?? error.stack;
      });
    }
    return codes;
  }

  const saidOf = (backplane) => backplane.log.shown.filter((line) => line.includes('forbids'));

  async function commandsOf(redis) {
    const [, count] = /total_commands_processed:(\d+)/.exec(await redis.command('INFO', 'stats'));
    return Number(count);
  }

  test('every function is tried', () => {
    expect([...new Set(Object.keys(FUNCTIONS).map(nameOf))].sort()).toEqual(namesOfFunctions().sort());
  });

  test.each(CASES)('%s: one line a kind, counted, named by health, and no function hangs or rejects for it', async (_what, forbids) => {
    const all = await start(forbids);
    const { redis, backplane } = all;
    const codes = await useAll(backplane);
    delete codes.withLock;
    expect(codes).toEqual({});
    const said = saidOf(backplane).length;
    await useAll(backplane);
    expect(backplane.isRedisAvailable()).toBe(true);
    expect(saidOf(backplane)).toHaveLength(said);
    const { forbidden } = backplane.getMetrics();
    expect(Object.keys(forbidden).sort()).toEqual(expect.arrayContaining(forbids.names));
    expect(Object.keys(forbidden)).toHaveLength(said);
    expect(said).toBeLessThanOrEqual(3);
    for (const name of forbids.names) {
      expect(saidOf(backplane).filter((line) => line.includes(name)).length).toBeGreaterThan(0);
      expect(backplane.prometheusMetrics()).toContain(`redis_backplane_forbidden_total{what="${name}"} ${forbidden[name]}`);
    }
    expect(await backplane.health()).toMatchObject({
      status: 'degraded',
      reason: expect.stringContaining(forbids.names[0]),
      forbidden: expect.arrayContaining(forbids.names),
      latencyMs: expect.any(Number),
    });
    // Nothing is tried again and again.
    const before = await commandsOf(redis);
    const at = performance.now();
    await until(() => performance.now() - at > 1000, { what: 'a second of doing nothing' });
    expect(await commandsOf(redis) - before).toBeLessThan(50);
    // Nor does it keep Redis away after an outage.
    await away(all);
    await useAll(backplane);
    await expectService(backplane);
    await back(all);
    expect(saidOf(backplane).length).toBeLessThanOrEqual(3);
    expect(backplane.log.text).not.toContain('secret');
  });

  test.each(CASES.filter(([what]) => /UNLINK|GETRANGE/.test(what)))('%s: another command does the same', async (_what, forbids) => {
    const { redis, backplane } = await start(forbids);
    const other = stage.backplane({ url: redis.url });
    await isReady(other);
    await expectService(backplane);
    expect(await backplane.cacheSet('k', 1)).toBe(true);
    expect(await backplane.cacheGet('k')).toBe(1);
    expect(await backplane.cacheDelete('k')).toBe(true);
    expect(await other.cacheGet('k')).toBeNull();
    expect(await backplane.queryCache.set('q', { roomId: 'r' }, 1)).toBe(true);
    expect(await backplane.queryCache.get('q', { roomId: 'r' })).toBe(1);
    expect(await backplane.queryCache.invalidateRoom('r')).toBe(1);
    expect(await other.queryCache.get('q', { roomId: 'r' })).toBeNull();
    expect(await backplane.sessionCache.setSession('s', { userId: 'u' })).toBe(true);
    expect(await backplane.sessionCache.getSession('s')).toEqual({ userId: 'u' });
    expect(await backplane.sessionCache.invalidateUserSessions('u')).toBe(1);
    expect(await backplane.setPresence('u', 's', { roomId: 'r' })).toBe(true);
    expect(await other.isUserOnline('u')).toBe(true);
    const large = 'x'.repeat(600_000);
    expect(await backplane.cacheSet('large', large)).toBe(true);
    expect(await backplane.cacheGet('large')).toBe(large);
    expect(await backplane.cacheDeletePattern('larg?')).toBe(1);
    expect(await other.cacheGet('large')).toBeNull();
    const { functions } = backplane.getMetrics();
    for (const { fromMemory } of Object.values(functions)) expect(fromMemory).toBe(0);
  });

  test('a raw command that is forbidden is its caller’s business', async () => {
    const { backplane } = await start({ rule: rule('-config', '-get'), names: [] });
    expect(await backplane.call('CONFIG', 'GET', 'save')).toEqual({ code: 'E_REPLY' });
    expect(await backplane.call('GET', 'k')).toEqual({ code: 'E_REPLY' });
    expect(await backplane.call('NOSUCH')).toEqual({ code: 'E_REPLY' });
    expect(await backplane.health()).toMatchObject({ status: 'ok', forbidden: [] });
    expect(saidOf(backplane)).toEqual([]);
  });
});
