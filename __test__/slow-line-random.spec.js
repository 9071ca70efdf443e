'use strict';

const { dice } = require('./support/random');
const { isReady, useStage } = require('./support/stage');
const { startSlowLine } = require('./support/slow-line');
const { until } = require('./support');

const MB = 1e6;
const SEED = Number(process.env.SLOW_LINES_SEED ?? Date.now() % 1e9);
const LASTS_MS = Number(process.env.SLOW_LINES_MS ?? 6000);
const CALLERS = 10;
const COMMAND_TIMEOUT_MS = 1000;
const LONGEST_STALL_MS = 250;

/** Sizes of all orders. */
const sizeFrom = ({ below }) => Math.floor(2 ** (below(20) + below(1000) / 1000));

/** What a caller does with a name of its own; each answers what is wrong, if anything is. */
const TALKS = {
  async cache(b, name, value) {
    if (!(await b.cacheSet(name, value))) return 'not set';
    if ((await b.cacheGet(name)) !== value) return 'another value';
    if (!(await b.cacheDelete(name))) return 'not deleted';
    return (await b.cacheGet(name)) === null ? undefined : 'still there';
  },
  async session(b, name, value) {
    if (!(await b.sessionCache.setSession(name, { userId: name, value }))) return 'not set';
    if ((await b.sessionCache.getSession(name))?.value !== value) return 'another value';
    if ((await b.sessionCache.invalidateUserSessions(name)) !== 1) return 'not removed';
    return (await b.sessionCache.getSession(name)) === null ? undefined : 'still there';
  },
  async query(b, name, value) {
    const params = { roomId: name };
    if (!(await b.queryCache.set(name, params, value))) return 'not set';
    if ((await b.queryCache.get(name, params)) !== value) return 'another value';
    if ((await b.queryCache.invalidateRoom(name)) !== 1) return 'not removed';
    return (await b.queryCache.get(name, params)) === null ? undefined : 'still there';
  },
  async presence(b, name, value) {
    if (!(await b.setPresence(name, name, { roomId: name, value }))) return 'not set';
    const [there] = await b.getRoomPresence(name);
    if (there?.value !== value) return 'another value';
    if (!(await b.removePresence(name, name))) return 'not removed';
    return (await b.isUserOnline(name)) ? 'still there' : undefined;
  },
  async raw(b, name, value) {
    if ((await b.call('SET', name, value)).value !== 'OK') return 'not set';
    return (await b.call('GET', name)).value === value ? undefined : 'another value';
  },
  async message(b, name, value, heard) {
    await b.publish('talk', { name, value });
    await until(() => heard.has(name), { timeoutMs: 20_000, what: 'the message' });
    const isSame = heard.get(name) === value;
    heard.delete(name);
    return isSame ? undefined : 'another message';
  },
};

describe(`a slow line with stalls, seed ${SEED}`, () => {
  const stage = useStage();

  it('everything is right, and there is no outage', async () => {
    const chance = dice(SEED);
    const redis = await stage.redis();
    const bounds = { down: (4 + chance.below(16)) * MB, up: (4 + chance.below(16)) * MB };
    const line = await startSlowLine(redis, bounds);
    try {
      const backplane = stage.backplane({ url: line.url, commandTimeoutMs: COMMAND_TIMEOUT_MS, slackMs: 60_000 });
      await isReady(backplane);
      const heard = new Map();
      const pubsub = backplane.getPubSub();
      expect(await pubsub.subscribe('talk', ({ name, value }) => heard.set(name, value))).toBe(true);
      const end = performance.now() + LASTS_MS;
      const wrong = [];
      let talks = 0;
      const caller = async (number) => {
        while (performance.now() < end && wrong.length === 0) {
          const [kind, bytes] = [chance.pick(Object.keys(TALKS)), sizeFrom(chance)];
          const value = String(talks % 10).repeat(bytes);
          talks += 1;
          const problem = await TALKS[kind](backplane, `${kind}:${number}:${talks}`, value, heard);
          if (problem) wrong.push({ kind, bytes, problem, bounds });
        }
      };
      const stalls = async () => {
        while (performance.now() < end) {
          await new Promise((resolve) => setTimeout(resolve, 500 + chance.below(1000)));
          line.flow(chance.pick([{ down: 0 }, { up: 0 }, { down: 0, up: 0 }]));
          await new Promise((resolve) => setTimeout(resolve, chance.below(LONGEST_STALL_MS)));
          line.flow(bounds);
        }
      };
      await Promise.all([stalls(), ...Array.from({ length: CALLERS }, (_, i) => caller(i))]);
      expect(wrong).toEqual([]);
      expect(backplane.getMetrics().connection.becameDegraded).toBe(0);
      expect(backplane.log.story).toEqual(['ready']);
      expect(talks).toBeGreaterThan(CALLERS);
    } finally {
      await line.close();
    }
  }, LASTS_MS + 60_000);
});
