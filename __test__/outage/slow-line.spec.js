'use strict';

const { until } = require('../support');
const { isAway, isReady, useStage } = require('../support/stage');
const { startSlowLine } = require('../support/slow-line');

const MB = 1e6;
/** A line is busy for longer than this in each test. */
const COMMAND_TIMEOUT_MS = 500;
/** `SLOW_LINES=full`: as much as production sees, at the default deadline. */
const isFull = process.env.SLOW_LINES === 'full';
const deadlineMs = isFull ? 1000 : COMMAND_TIMEOUT_MS;
const bytesOf = (bytes) => 'x'.repeat(bytes);

// What, how many, bytes of each, bytes per second.
const READS = isFull
  ? [[200, 100_000, 12 * MB], [400, 50_000, 20 * MB], [40, 200_000, 4 * MB]]
  : [[100, 100_000, 12 * MB], [300, 50_000, 20 * MB], [15, 200_000, 4 * MB]];
const WRITES = isFull
  ? { publish: [1, 20 * MB, 15 * MB], presence: [20, 900_000, 15 * MB], sessions: [20, 900_000, 15 * MB],
    queries: [20, 900_000, 15 * MB], sets: [6, 6 * MB, 4 * MB], 'small sets': [400, 50_000, 15 * MB],
    'raw sets': [6, 6 * MB, 4 * MB] }
  : { publish: [1, 10 * MB, 12 * MB], presence: [5, 900_000, 12 * MB], sessions: [10, 900_000, 12 * MB],
    queries: [10, 900_000, 12 * MB], sets: [2, 2 * MB, 4 * MB], 'small sets': [200, 50_000, 12 * MB],
    'raw sets': [2, 2 * MB, 4 * MB] };
const WRITERS = {
  publish: (b, value) => b.publish('channel', value),
  presence: (b, value, i) => b.setPresence(`u${i}`, `s${i}`, { roomId: ['room'], value }),
  sessions: (b, value, i) => b.sessionCache.setSession(`s${i}`, { email: 'a@b.c', value }),
  queries: (b, value, i) => b.queryCache.set(`q${i}`, { roomId: 'r' }, value),
  sets: (b, value, i) => b.cacheSet(`k${i}`, value),
  'small sets': (b, value, i) => b.cacheSet(`k${i}`, value),
  'raw sets': (b, value, i) => b.call('SET', `raw${i}`, value),
};

describe('a line that is slow and moves', () => {
  const stage = useStage();
  const lines = [];

  afterEach(async () => {
    for (const line of lines.splice(0)) await line.close();
  });

  /** Large calls may take as long as their data. */
  async function opened(bounds, options) {
    const redis = await stage.redis();
    const line = await startSlowLine(redis, bounds);
    lines.push(line);
    const settings = { commandTimeoutMs: deadlineMs, slackMs: 60_000, ...options };
    const backplane = stage.backplane({ url: line.url, ...settings });
    await isReady(backplane);
    const direct = stage.backplane({ url: redis.url, commandTimeoutMs: 20_000 });
    await direct.cacheSet('small', 1);
    return { redis, line, backplane, direct };
  }

  /** Reads a small value all the time; answers how long each reading took, shortest first. */
  function readBeside(backplane) {
    const took = [];
    let isOn = true;
    const done = (async () => {
      while (isOn) {
        const begun = performance.now();
        expect(await backplane.cacheGet('small')).toBe(1);
        took.push(performance.now() - begun);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    return async () => {
      isOn = false;
      await done;
      return took.sort((a, b) => a - b);
    };
  }

  /** No outage, and small calls beside are not held up: the slack is for a busy machine. */
  async function expectCalm(backplane, stopBeside) {
    const took = await stopBeside();
    expect(took[Math.floor(took.length * 0.9)]).toBeLessThan(deadlineMs / 10 + 100);
    expect(backplane.getMetrics().connection.becameDegraded).toBe(0);
    expect(backplane.log.story).toEqual(['ready']);
  }

  it.each(READS)('%i reads of %i bytes at %i bytes per second', async (count, bytes, down) => {
    const { backplane, direct } = await opened({ down });
    const [value, keys] = [bytesOf(bytes), Array.from({ length: count }, (_, i) => `k${i}`)];
    await Promise.all(keys.map((key) => direct.cacheSet(key, value)));
    for (let round = 0; round < 2; round += 1) {
      const beside = readBeside(backplane);
      const read = await Promise.all(keys.map((key) => backplane.cacheGet(key)));
      expect(read.filter((found) => found === value)).toHaveLength(count);
      await expectCalm(backplane, beside);
    }
  });

  it.each(Object.keys(WRITES))('%s', async (name) => {
    const [count, bytes, up] = WRITES[name];
    const { backplane } = await opened({ up });
    const value = bytesOf(bytes);
    const beside = readBeside(backplane);
    const calls = Array.from({ length: count }, (_, i) => WRITERS[name](backplane, value, i));
    const expected = { publish: 0, 'raw sets': { value: 'OK' } }[name] ?? true;
    expect(await Promise.all(calls)).toEqual(calls.map(() => expected));
    await expectCalm(backplane, beside);
  });

  it('large presence, sessions and queries are read, and removed', async () => {
    const { backplane, direct } = await opened({ down: 12 * MB });
    const value = bytesOf(900_000);
    const numbers = Array.from({ length: 8 }, (_, i) => i);
    for (const i of numbers) {
      await direct.setPresence(`u${i}`, `s${i}`, { roomId: ['room'], value });
      await direct.sessionCache.setSession(`s${i}`, { email: 'a@b.c', value });
      await direct.queryCache.set(`q${i}`, { roomId: 'r' }, value);
    }
    const beside = readBeside(backplane);
    const all = (call) => Promise.all(numbers.map(call));
    const isValue = (found) => found === value;
    const users = await all((i) => backplane.getUserPresence(`u${i}`));
    expect(users.map((there) => there.map((socket) => isValue(socket.value)))).toEqual(numbers.map(() => [true]));
    expect((await backplane.getRoomPresence('room')).map((socket) => isValue(socket.value))).toEqual(numbers.map(() => true));
    const sessions = await all((i) => backplane.sessionCache.getSession(`s${i}`));
    expect(sessions.map((session) => isValue(session.value))).toEqual(numbers.map(() => true));
    const queries = await all((i) => backplane.queryCache.get(`q${i}`, { roomId: 'r' }));
    expect(queries.map(isValue)).toEqual(numbers.map(() => true));
    expect(await all((i) => backplane.removePresence(`u${i}`, `s${i}`))).toEqual(numbers.map(() => true));
    await expectCalm(backplane, beside);
    expect(await direct.getOnlineUsersInRoom('room')).toEqual([]);
  });

  it.each([['the answers', { down: 0 }], ['the requests', { up: 0 }], ['both', { down: 0, up: 0 }]])(
    'one that stops in the middle of much, %s, is found within the deadline',
    async (_what, stop) => {
      const { line, backplane, direct } = await opened({ down: 8 * MB, up: 8 * MB }, { slackMs: 100 });
      await direct.cacheSet('k', bytesOf(2 * MB));
      line.flow(stop);
      const calls = [backplane.cacheGet('k'), backplane.cacheSet('l', bytesOf(2 * MB)), backplane.cacheGet('small')];
      await Promise.all(calls);
      await isAway(backplane);
      line.flow({ down: null, up: null });
      await isReady(backplane);
      expect(await backplane.cacheGet('small')).toBe(1);
    }
  );

  it('one on which a byte comes now and then has stopped', async () => {
    const { line, backplane, direct } = await opened({}, { slackMs: 100 });
    await direct.cacheSet('k', bytesOf(2 * MB));
    line.flow({ down: 10 });
    await Promise.all([backplane.cacheGet('k'), backplane.cacheGet('small')]);
    await isAway(backplane);
    line.flow({ down: null });
    await until(async () => (await backplane.cacheGet('k'))?.length === 2 * MB, { what: 'it is read again' });
  });
});
