'use strict';

const { isAway, isReady, useStage } = require('../support/stage');

/** More keys than one outage is remembered by, in this much memory. */
const TOO_MANY = 40_001;
const MEMORY = { maxBytes: 4 * 1024 * 1024 };
const AT_ONCE = 500;
const PREFIX = 'app*:';

describe('an outage in which more keys are written than can be remembered', () => {
  const stage = useStage();

  async function overflow(backplane, write) {
    for (let i = 0; i < TOO_MANY; i += AT_ONCE) {
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, TOO_MANY - i) }, (_, j) => write(backplane, i + j)));
    }
  }

  async function cutOff({ proxy, backplane }) {
    proxy.refuse();
    proxy.cut();
    await isAway(backplane);
  }

  /** Warnings beside those of outages. */
  function warningsOf({ log }) {
    return log.lines.filter(({ level, line }) => level === 'warn' && !line.includes('using memory'));
  }

  async function prepared() {
    const opened = await stage.ready({ keyPrefix: PREFIX, memory: MEMORY });
    const { redis } = opened;
    for (const name of ['cache:old', 'cache:untouched', 'other:k']) await redis.command('SET', `${PREFIX}${name}`, '"old"');
    await redis.command('SET', 'app1:cache:of-another', '"kept"');
    await cutOff(opened);
    return opened;
  }

  it('case 21: everything that is cached is dropped on Redis, nothing else, and it is said once', async () => {
    const opened = await prepared();
    const { redis, proxy, backplane } = opened;
    await backplane.cacheSet('old', 'new');
    await overflow(backplane, (b, i) => b.cacheSet(`k:${i}`, i));
    expect(await backplane.cacheGet(`k:${TOO_MANY - 1}`)).toBe(TOO_MANY - 1);
    await redis.command('SET', `${PREFIX}cache:foreign`, '"theirs"');
    expect(warningsOf(backplane)).toHaveLength(1);
    await proxy.accept();
    await isReady(backplane);
    const left = (await redis.command('KEYS', '*')).sort();
    expect(left).toEqual(['app*:other:k', 'app1:cache:of-another']);
    for (const key of ['old', 'untouched', 'foreign', 'k:0', `k:${TOO_MANY - 1}`]) {
      expect(await backplane.cacheGet(key)).toBeNull();
    }
    expect(await backplane.cacheSet('after', 1)).toBe(true);
    expect(await backplane.cacheGet('after')).toBe(1);
    expect(warningsOf(backplane)).toHaveLength(1);
    expect(backplane.log.story.filter((line) => ['away', 'ready'].includes(line))).toEqual(['ready', 'away', 'ready']);
  });

  it('case 21: by deletes too; said once, although dropping it all has to be begun again', async () => {
    const opened = await prepared();
    const { redis, proxy, backplane } = opened;
    await overflow(backplane, (b, i) => b.cacheDelete(`k:${i}`));
    let cuts = 0;
    proxy.onRequest((chunk) => {
      if (cuts === 2 || !chunk.includes('SCAN')) return undefined;
      cuts += 1;
      proxy.cut();
      return null;
    });
    await proxy.accept();
    await isReady(backplane);
    expect(cuts).toBe(2);
    expect(await redis.command('EXISTS', `${PREFIX}cache:old`, `${PREFIX}cache:untouched`)).toBe(0);
    expect(warningsOf(backplane)).toHaveLength(1);
  });

  it('case 21: an outage that stays within bounds deletes what it wrote, and warns of nothing', async () => {
    const opened = await prepared();
    const { redis, proxy, backplane } = opened;
    const keys = Array.from({ length: 10_000 }, (_, i) => `k:${i}`);
    await redis.command('MSET', ...keys.flatMap((key) => [`${PREFIX}cache:${key}`, '"old"']));
    await Promise.all(keys.map((key) => backplane.cacheSet(key, 'new')));
    await proxy.accept();
    await isReady(backplane);
    expect(await redis.command('EXISTS', ...keys.map((key) => `${PREFIX}cache:${key}`))).toBe(0);
    expect(await backplane.cacheGet('untouched')).toBe('old');
    expect(warningsOf(backplane)).toEqual([]);
  });
});
