'use strict';

const { until } = require('./until');

const WORKERS = 8;

/**
 * Mixed calls without end. Each worker has a key of its own, so that it knows what it may read:
 * what it wrote last, or a miss; never anything older. `wrong` lists what else it read.
 */
function startLoad(backplane) {
  const load = { calls: 0, wrong: [] };
  let running = true;

  function expectOneOf(what, allowed, got) {
    load.calls += 1;
    if (!allowed.includes(got)) load.wrong.push({ what, allowed, got });
  }

  async function round(key, version) {
    expectOneOf('set', [true], await backplane.cacheSet(key, version));
    expectOneOf('get after set', [version, null], await backplane.cacheGet(key));
    const loaded = `${version}:loaded`;
    const got = await backplane.cacheGetOrSet(key, () => loaded);
    expectOneOf('load after set', [version, loaded], got);
    expectOneOf('get after load', [got, null], await backplane.cacheGet(key));
    if (version % 2 === 0) expectOneOf('delete', [true], await backplane.cacheDelete(key));
    else expectOneOf('pattern', [0, 1], await backplane.cacheDeletePattern(key));
    expectOneOf('get after delete', [null], await backplane.cacheGet(key));
  }

  /** The same of the other caches; a session of an outage is there afterwards, so only it is certain to be read. */
  async function roundOfOthers(key, version) {
    const { queryCache, sessionCache, messageCache } = backplane;
    const params = { roomId: key };
    expectOneOf('set a result', [true, false], await queryCache.set('q', params, version));
    expectOneOf('get a result', [version, null], await queryCache.get('q', params));
    await queryCache.invalidateRoom(key);
    expectOneOf('get an invalidated result', [null], await queryCache.get('q', params));
    const kept = await sessionCache.setSession(key, { userId: key, version });
    const session = await sessionCache.getSession(key);
    if (kept) expectOneOf('get a session', [version, undefined], session?.version);
    await sessionCache.invalidateUserSessions(key);
    expectOneOf('get an invalidated session', [null], await sessionCache.getSession(key));
    await messageCache.set(key, version);
    expectOneOf('get a message', [version, null], await messageCache.get(key));
  }

  async function work(worker) {
    for (let version = 1; running; version += 1) {
      await round(`load:${worker}`, version);
      await roundOfOthers(`load:${worker}`, version);
      expectOneOf('health', ['ok', 'degraded'], (await backplane.health()).status);
      // Answers from memory come without a turn of the event loop for timers.
      await new Promise(setImmediate);
    }
  }

  const workers = Array.from({ length: WORKERS }, (_, worker) => work(worker));

  /** Resolves when `count` more calls have been answered. */
  load.goesOn = (count = 300) => {
    const goal = load.calls + count;
    return until(() => load.calls >= goal, { what: `${count} more calls under load` });
  };
  load.stop = async () => {
    running = false;
    await Promise.all(workers);
  };
  return load;
}

module.exports = { startLoad };
