'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

/** More than one connection for calls handles at once. */
const LARGE = 300_000;

function createRound({ either, fresh, name, below, oneIn }) {
  const key = `c:${name}`;
  const known = fresh(key);
  const valueOf = (version) => ({ version, text: oneIn(50) ? 'x'.repeat(LARGE) : 'ä "text"' });
  const versionOf = (value) => value?.version ?? null;
  const set = () => known.write(either(), (x, version) => x.call('cacheSet', key, valueOf(version), 60));
  const get = () => known.read(either(), async (x) => versionOf(await x.call('cacheGet', key)));

  function load(ms) {
    const loader = async () => {
      const version = known.now;
      await sleep(ms);
      return valueOf(version);
    };
    const options = { ttlSeconds: 60, staleSeconds: oneIn(3) ? 60 : 0 };
    return known.read(either(), async (x) =>
      versionOf(await x.act('cacheGetOrSet', (uncounted) => x.backplane.cacheGetOrSet(key, () => uncounted(loader), options))));
  }

  function remove() {
    if (oneIn(30)) return known.write(either(), (x) => x.call('cacheDeletePattern', `${key}*`));
    return known.write(either(), (x) => x.call('cacheDelete', key));
  }

  return async function round() {
    await set();
    await get();
    await remove();
    await load(0);
    await get();
    const loading = load(below(20));
    await sleep(below(10));
    await remove();
    await loading;
    await get();
  };
}

module.exports = { createRound };
