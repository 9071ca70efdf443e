'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

function createRound({ either, fresh, name, pick, below, oneIn }) {
  const query = `q:${name}`;
  const params = { roomId: `room ${name}`, limit: 20, before: null };
  const known = fresh(query);
  const get = (x) => x.call('queryCache.get', query, params);

  function invalidate() {
    const [what, which] = pick([['invalidateRoom', params.roomId], ['invalidateQuery', query]]);
    if (oneIn(30)) return known.write(either(), (x) => x.call('queryCache.invalidate', `${query}*`));
    return known.write(either(), (x) => x.call(`queryCache.${what}`, which));
  }

  function load(ms) {
    const loader = async () => {
      const version = known.now;
      await sleep(ms);
      return version;
    };
    return known.read(either(), (x) =>
      x.act('queryCache.getOrSet', (uncounted) => x.backplane.queryCache.getOrSet(query, params, () => uncounted(loader), 60)));
  }

  /** A row that changes between a miss and its set. */
  async function late() {
    const x = either();
    if ((await get(x)) !== null) return;
    const old = known.now;
    await invalidate();
    await x.call('queryCache.set', query, params, old, 60);
    await known.read(x, get);
    await invalidate();
  }

  return async function round() {
    await known.write(either(), (x, version) => x.call('queryCache.set', query, params, version, 60));
    await known.read(either(), get);
    await invalidate();
    await load(0);
    const loading = load(below(20));
    await sleep(below(10));
    await invalidate();
    await loading;
    await known.read(either(), get);
    await late();
  };
}

module.exports = { createRound };
