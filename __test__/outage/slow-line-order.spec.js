'use strict';

const { until } = require('../support');
const { isReady, useStage } = require('../support/stage');
const { startSlowLine } = require('../support/slow-line');

const MB = 1e6;
const COMMAND_TIMEOUT_MS = 500;
/** Takes longer than the deadline of what waits for it, most of it without a word from the system. */
const LARGE = 'x'.repeat(4 * MB);
const UP = 3 * MB;

/** What is called behind a large write of the same key, and what is left of both. */
const BEHIND = {
  'a delete': [(backplane) => backplane.cacheDelete('k'), null],
  'a small write': [(backplane) => backplane.cacheSet('k', 'small'), 'small'],
  'a large write': [(backplane) => backplane.cacheSet('k', 'y'.repeat(MB)), 'y'.repeat(MB)],
};

describe('what waits for a large write of its key on a slow line', () => {
  const stage = useStage();

  it.each(Object.keys(BEHIND))('%s is told in the end', async (name) => {
    const [call, left] = BEHIND[name];
    const redis = await stage.redis();
    const line = await startSlowLine(redis, { up: UP });
    try {
      const backplane = stage.backplane({ url: line.url, commandTimeoutMs: COMMAND_TIMEOUT_MS, slackMs: 60_000 });
      await isReady(backplane);
      const direct = stage.backplane({ url: redis.url, commandTimeoutMs: 20_000 });
      const behind = [backplane.cacheSet('k', LARGE), call(backplane)];
      const isThere = async (value) => (await direct.cacheGet('k')) === value;
      expect(await behind[0]).toBe(true);
      await until(() => isThere(left), { timeoutMs: 20_000, what: 'it is told' });
      expect(await behind[1]).toBe(true);
      expect(backplane.getMetrics().connection.becameDegraded).toBe(0);
    } finally {
      await line.close();
    }
  });
});
