'use strict';

const { SERVERS, ensureServer } = require('../../scripts/servers');
const { ensureRedisServer, freePort, until } = require('../support');
const { startSentinel } = require('../support/sentinel');
const { expectService } = require('../support/service');
const { isAway, isReady, useStage } = require('../support/stage');

const OURS = 'the one that the machine has';
const named = (name) => (name === OURS ? undefined : name);

/** Found by one of two heartbeats. */
const FOUND_WITHIN_MS = 5000;

describe.each([OURS, ...SERVERS])('what it is: %s', (name) => {
  const stage = useStage();

  async function expectNotReady(backplane, word) {
    await expectService(backplane);
    expect(backplane.isRedisAvailable()).toBe(false);
    expect(backplane.log.story).toEqual(['away']);
    expect(backplane.log.shown[0]).toContain(word);
    expect(await backplane.health()).toMatchObject({ status: 'degraded', reason: expect.stringContaining(word) });
    expect(backplane.getMetrics().connection.server).toBeNull();
  }

  it('a primary, which tells its version', async () => {
    const redis = await stage.redis({ server: named(name) });
    const backplane = stage.backplane({ url: redis.url });
    await isReady(backplane);
    const { server } = backplane.getMetrics().connection;
    expect(server).toMatchObject({ version: expect.stringMatching(/^\d+\.\d+\.\d+/), mode: 'standalone', role: 'master' });
    if (named(name)) expect(`${server.name} ${server.version}`.toLowerCase()).toContain(name.toLowerCase());
    expect(await backplane.health()).toMatchObject({ status: 'ok', reason: null, forbidden: [] });
  });

  it('a replica, also one that takes writes, until it is promoted', async () => {
    const redis = await stage.redis({ server: named(name), args: ['--replica-read-only', 'no', '--replicaof', '127.0.0.1', await freePort()] });
    const backplane = stage.backplane({ url: redis.url });
    await expectNotReady(backplane, 'replica');
    await redis.command('REPLICAOF', 'NO', 'ONE');
    await isReady(backplane);
    await expectService(backplane);
  });

  it('a server that becomes a replica is found out by who only reads, and by who does nothing', async () => {
    const redis = await stage.redis({ server: named(name), args: ['--replica-read-only', 'no'] });
    const [reader, idle] = [stage.backplane({ url: redis.url }), stage.backplane({ url: redis.url })];
    await Promise.all([reader, idle].map(isReady));
    await redis.command('REPLICAOF', '127.0.0.1', await freePort());
    const isFound = async () => {
      await reader.cacheGet('k');
      return [reader, idle].every(({ log }) => log.story.includes('away'));
    };
    await until(isFound, { what: 'found', timeoutMs: FOUND_WITHIN_MS });
    expect(reader.log.shown.at(-1)).toContain('replica');
    await redis.command('REPLICAOF', 'NO', 'ONE');
    await Promise.all([reader, idle].map(isReady));
  });

  it('a node of a cluster', async () => {
    const redis = await stage.redis({ server: named(name), args: ['--cluster-enabled', 'yes'] });
    await expectNotReady(stage.backplane({ url: redis.url }), 'cluster');
  });

  it('a sentinel', async () => {
    const program = await (named(name) ? ensureServer(name) : ensureRedisServer());
    const redis = await stage.redis({ server: named(name) });
    const sentinel = await startSentinel(program, redis);
    try {
      await expectNotReady(stage.backplane({ url: sentinel.url }), 'sentinel');
    } finally {
      await sentinel.stop();
    }
  });
});

describe('a server that does not say what it is', () => {
  const stage = useStage();
  const renamed = (...commands) => commands.flatMap((command) => ['--rename-command', command, '']);

  it.each([
    ['has no HELLO', ['HELLO']],
    ['has neither HELLO nor ROLE', ['HELLO', 'ROLE']],
  ])('%s: another question tells', async (_what, commands) => {
    const redis = await stage.redis({ args: renamed(...commands) });
    const backplane = stage.backplane({ url: redis.url });
    await isReady(backplane);
    await expectService(backplane);
    expect(backplane.getMetrics().connection.server.role).toBe('master');
    await redis.command('REPLICAOF', '127.0.0.1', await freePort());
    await isAway(backplane);
    await expectService(backplane);
    expect(backplane.log.story).toEqual(['ready', 'away']);
    expect(backplane.log.shown.at(-1)).toContain('replica');
  });

  it('has none of what could be asked: everything works all the same', async () => {
    const redis = await stage.redis({ args: renamed('HELLO', 'ROLE', 'INFO', 'ECHO', 'CLIENT') });
    const backplane = stage.backplane({ url: redis.url });
    await isReady(backplane);
    await expectService(backplane);
    expect(backplane.getMetrics().connection.server).toEqual({ name: null, version: null, mode: null, role: null });
    expect(await backplane.health()).toMatchObject({ status: 'ok', forbidden: [] });
    expect(backplane.log.story).toEqual(['ready']);
  });
});
