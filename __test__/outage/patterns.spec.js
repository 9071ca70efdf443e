'use strict';

const { createBackplane } = require('../..');
const { until } = require('../support');
const { quietLogger } = require('../support/log');
const { away, isReady, useStage } = require('../support/stage');

const KEYS = 60_000;
const OUTAGE_MS = 2000;
const TICK_MS = 10;

/** Deletes by another pattern `perSecond` times a second, until it is stopped. */
function deleteOn(backplane, perSecond) {
  const begun = performance.now();
  const deletions = [];
  const wanted = () => Math.floor(((performance.now() - begun) / 1000) * perSecond);
  const timer = setInterval(() => {
    while (deletions.length < wanted()) {
      const i = deletions.length;
      const calls = [backplane.cacheDeletePattern(`p${i}:*`), backplane.queryCache.invalidate(`q${i}:*`)];
      deletions.push(Promise.all(calls));
    }
  }, TICK_MS);
  return {
    begun: () => deletions.length,
    stop: () => clearInterval(timer),
    whenDone: async () => {
      await Promise.all(deletions);
      return deletions.length;
    },
  };
}

describe('an outage in which deletes by pattern go on', () => {
  const stage = useStage();
  let backplane;

  afterEach(() => backplane.close());

  test.each([4, 40, 400])('%d different ones a second: it ends, and nothing that they match is left', async (perSecond) => {
    const redis = await stage.redis({ args: ['--enable-debug-command', 'local'] });
    const proxy = await stage.proxy(redis);
    // A delete by pattern may take longer than a deadline.
    backplane = createBackplane({ url: proxy.url, logger: quietLogger() });
    await isReady(backplane);
    await redis.command('DEBUG', 'POPULATE', KEYS, 'cache:other', 10);
    const names = Array.from({ length: 50 }, (_, i) => i);
    await Promise.all(names.flatMap((i) => [backplane.cacheSet(`p${i}:x`, 1), backplane.queryCache.set(`q${i}:x`, {}, 1)]));
    proxy.delay(0.5);
    await away({ proxy, backplane });
    const deletes = deleteOn(backplane, perSecond);
    try {
      await until(() => deletes.begun() >= (OUTAGE_MS / 1000) * perSecond, { what: 'the outage has lasted' });
      proxy.flow();
      await proxy.accept();
      await isReady(backplane);
    } finally {
      deletes.stop();
    }
    const deleted = names.slice(0, await deletes.whenDone());
    const left = await Promise.all(deleted.flatMap((i) => [backplane.cacheGet(`p${i}:x`), backplane.queryCache.get(`q${i}:x`)]));
    expect(left.filter((value) => value !== null)).toEqual([]);
  }, 60_000);
});
