'use strict';

const { SERVERS } = require('../../scripts/servers');
const { freePort } = require('../support');
const { isReady, useStage } = require('../support/stage');

const OURS = 'the one that the machine has';
const named = (name) => (name === OURS ? undefined : name);

/** How a server comes to refuse writes, and how that ends. */
const REFUSALS = {
  READONLY: {
    begin: async (redis) => redis.command('REPLICAOF', '127.0.0.1', await freePort()),
    end: (redis) => redis.command('REPLICAOF', 'NO', 'ONE'),
  },
  OOM: {
    begin: async (redis) => {
      await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
      await redis.command('CONFIG', 'SET', 'maxmemory', 1);
    },
    end: (redis) => redis.command('CONFIG', 'SET', 'maxmemory', 0),
  },
  NOREPLICAS: {
    begin: (redis) => redis.command('CONFIG', 'SET', 'min-replicas-to-write', 1),
    end: (redis) => redis.command('CONFIG', 'SET', 'min-replicas-to-write', 0),
  },
};

/**
 * What is done by scripts alone, each on a backplane of its own, which has no other way to notice: what it answers, what
 * another instance sees before, and afterwards.
 */
const ALONE = {
  acquireLock: { call: (b) => b.acquireLock('lock'), answer: true },
  lock: { call: async (b) => (await b.lock('other lock', { waitMs: 0 })) !== null, answer: true },
  setPresence: {
    call: (b) => b.setPresence('u', 's', { roomId: 'r' }),
    answer: true,
    seen: (other) => other.isUserOnline('u'),
    before: false,
    after: true,
  },
  setSession: {
    call: (b) => b.sessionCache.setSession('new', { userId: 'v' }),
    answer: true,
    seen: (other) => other.sessionCache.getSession('new'),
    before: null,
    after: { userId: 'v' },
  },
  invalidateUserSessions: {
    prepare: (other) => other.sessionCache.setSession('old', { userId: 'w' }),
    call: async (b) => {
      await b.sessionCache.invalidateUserSessions('w');
      return b.sessionCache.getSession('old');
    },
    answer: null,
    seen: (other) => other.sessionCache.getSession('old'),
    before: { userId: 'w' },
    after: null,
  },
  'queryCache.set': {
    call: async (b) => {
      await b.queryCache.set('q', { n: 1 }, 'new');
      return b.queryCache.get('q', { n: 1 });
    },
    answer: 'new',
    seen: (other) => other.queryCache.get('q', { n: 1 }),
    before: null,
    after: null,
  },
  invalidateRoom: {
    prepare: (other) => other.queryCache.set('q', { roomId: 'r' }, 'old'),
    call: async (b) => {
      await b.queryCache.invalidateRoom('r');
      return b.queryCache.get('q', { roomId: 'r' });
    },
    answer: null,
    seen: (other) => other.queryCache.get('q', { roomId: 'r' }),
    before: 'old',
    after: null,
  },
  ...Object.fromEntries(['fixed-window', 'sliding-window', 'token-bucket'].map((algorithm) => [algorithm, {
    call: async (b) => (await b.checkRateLimit(algorithm, 5, 60, { algorithm })).source,
    answer: 'memory',
  }])),
};
const CASES = Object.entries(ALONE);

/** By the names of the cases, so that a failure tells. */
function byCase(values) {
  return Object.fromEntries(CASES.map(([name], i) => [name, values[i]]));
}

describe.each([OURS, ...SERVERS])('%s', (name) => {
  const stage = useStage();

  it.each(Object.keys(REFUSALS))('%s within a script is what it is alone: answered from here, and made good', async (code) => {
    const redis = await stage.redis({ server: named(name) });
    const open = async () => {
      const backplane = stage.backplane({ url: redis.url, commandTimeoutMs: 1000 });
      await isReady(backplane);
      return backplane;
    };
    const other = await open();
    const backplanes = await Promise.all(CASES.map(open));
    const see = () => Promise.all(CASES.map(([, { seen }]) => seen?.(other)));
    for (const [, { prepare }] of CASES) await prepare?.(other);
    expect(await see()).toEqual(CASES.map(([, { before }]) => before));
    await REFUSALS[code].begin(redis);
    const answers = await Promise.all(CASES.map(([, { call }], i) => call(backplanes[i])));
    expect(byCase(answers)).toEqual(byCase(CASES.map(([, { answer }]) => answer)));
    await REFUSALS[code].end(redis);
    await Promise.all([other, ...backplanes].map(isReady));
    expect(byCase(await see())).toEqual(byCase(CASES.map(([, { after }]) => after)));
    for (const { log } of backplanes) expect(log.story.filter((line) => !['ready', 'away'].includes(line))).toEqual([]);
  });
});
