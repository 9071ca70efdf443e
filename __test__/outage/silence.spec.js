'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

const { until } = require('../support');
const { CALLS, FUNCTIONS, nameOf, namesOfFunctions } = require('../support/functions');
const { isReady, useStage } = require('../support/stage');

const SILENCE_MS = 3000;
const DEADLINES = { commandTimeoutMs: 1000, connectTimeoutMs: 1000 };
/** How a server, or what is before it, falls silent, and how that ends. */
const SILENCES = {
  'CLIENT PAUSE ALL': {
    begin: ({ redis }) => redis.command('CLIENT', 'PAUSE', SILENCE_MS, 'ALL'),
    end: () => {},
  },
  'CLIENT PAUSE WRITE': {
    begin: ({ redis }) => redis.command('CLIENT', 'PAUSE', SILENCE_MS, 'WRITE'),
    end: () => {},
  },
  SIGSTOP: { begin: ({ redis }) => redis.pause(), end: ({ redis }) => redis.resume() },
  'a proxy that holds what is asked': {
    begin: ({ proxy }) => proxy.stallRequests(),
    end: ({ proxy }) => proxy.flow(),
  },
  'a proxy that holds what is answered': {
    begin: ({ proxy }) => proxy.stallReplies(),
    end: ({ proxy }) => proxy.flow(),
  },
};

describe('a silence, and each function alone in it', () => {
  const stage = useStage();

  test('the table has every function', () => {
    expect([...new Set(Object.keys(FUNCTIONS).map(nameOf))].sort()).toEqual(namesOfFunctions().sort());
  });

  /** One backplane a row, ready and prepared. */
  async function prepare(url) {
    const rows = CALLS.map(([what, row]) => ({ what, row, a: stage.backplane({ url, ...DEADLINES, ...row.options }) }));
    for (const { row, a } of rows) {
      await isReady(a);
      await row.before?.(a);
    }
    return rows;
  }

  async function expectToHold(rows, url) {
    const b = stage.backplane({ url, ...DEADLINES });
    await isReady(b);
    const short = [];
    for (const { what, row } of rows) {
      await until(() => row.holds?.(b) ?? true, { timeoutMs: 3000 }).catch(() => short.push(what));
    }
    expect(short).toEqual([]);
  }

  test.each(Object.entries(SILENCES))('%s: answered in time, and so for everybody afterwards', async (_, { begin, end }) => {
    const redis = await stage.redis();
    const proxy = await stage.proxy(redis);
    const rows = await prepare(proxy.url);
    await begin({ redis, proxy });
    const silence = sleep(SILENCE_MS);
    const answers = await Promise.all(rows.map(({ what, row, a }) => a.watch(what, () => row.call(a))));
    await silence;
    await end({ redis, proxy });
    const wrong = rows.filter(({ row }, i) => row.answers !== undefined && answers[i] !== row.answers);
    expect(wrong.map(({ what }) => what)).toEqual([]);
    for (const { what, a } of rows) if (what !== 'close') await isReady(a);
    await expectToHold(rows, redis.url);
  }, 60_000);
});
