'use strict';

const { until } = require('../support');
const { away, isReady, useStage } = require('../support/stage');

const SETS = 100;
const EVERY_MS = 10;

describe('a recovery that takes longer than a deadline', () => {
  const stage = useStage();

  // What is set while calls wait for the door would have to be written before it opens, in three round trips of a
  // hundred milliseconds, and in the meantime more is set.
  it('ends though sessions go on being set, all of which are there', async () => {
    const { redis, proxy, backplane } = await stage.ready();
    proxy.delay(50);
    await away({ proxy, backplane });
    const sets = [];
    const timer = setInterval(() => {
      const name = `s${sets.length}`;
      sets.push(backplane.sessionCache.setSession(name, { userId: name }, 600));
    }, EVERY_MS);
    try {
      await until(() => sets.length >= SETS, { what: 'the outage has lasted' });
      proxy.flow();
      await proxy.accept();
      await isReady(backplane);
    } finally {
      clearInterval(timer);
    }
    expect((await Promise.all(sets)).every((kept) => kept === true)).toBe(true);
    const near = stage.backplane({ url: redis.url });
    const missing = async () => {
      const read = await Promise.all(sets.map((_, i) => near.sessionCache.getSession(`s${i}`)));
      return read.filter((session) => session === null).length;
    };
    await until(async () => (await missing()) === 0, { what: 'all sessions are there' });
  });
});
