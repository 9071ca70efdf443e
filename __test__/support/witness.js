'use strict';

/** What a noisy machine may add to a deadline. */
const SLACK_MS = 100;
const DOCUMENTED = [
  'cacheGet', 'cacheSet', 'cacheDelete', 'cacheDeletePattern', 'publish', 'health',
  'checkRateLimit', 'resetRateLimit', 'acquireLock', 'releaseLock',
  'setPresence', 'removePresence', 'isUserOnline', 'areUsersOnline', 'getLastSeen', 'getUserPresence',
  'getOnlineUsersInRoom', 'countOnlineUsersInRoom', 'getRoomPresence',
];
/** Functions of the parts of a backplane. */
const PARTS = {
  queryCache: ['get', 'set', 'invalidate', 'invalidateQuery', 'invalidateRoom'],
  sessionCache: ['getSession', 'setSession', 'deleteSession', 'invalidateUserSessions'],
  messageCache: ['get', 'set', 'clear'],
};

/**
 * A backplane whose calls are watched: no documented function may reject, no call may outlive
 * its deadline. `broken` lists those that did. The time and the errors of a loader do not count.
 *
 * A call is late when a timer of its deadline and the slack has fired, and the event loop has
 * turned since: a test that keeps its own thread busy makes no call late.
 */
function witness(backplane, { commandTimeoutMs, connectTimeoutMs, slackMs = SLACK_MS }) {
  const broken = [];
  let isFirstAttempt = true;

  function deadlineMs() {
    isFirstAttempt &&= ['wait', 'connecting'].includes(backplane.getClient().status);
    return isFirstAttempt ? Math.max(connectTimeoutMs, commandTimeoutMs) : commandTimeoutMs;
  }

  /** Starts a clock; what it answers stops it. */
  function clock(name, ms) {
    const begun = performance.now();
    let late;
    let isStopped = false;
    const ring = () => {
      if (isStopped) return;
      late = { name, deadlineMs: ms, tookMs: '?' };
      broken.push(late);
    };
    const timer = setTimeout(() => setImmediate(setImmediate, ring), ms + slackMs);
    return () => {
      isStopped = true;
      clearTimeout(timer);
      if (late) late.tookMs = Math.round(performance.now() - begun);
    };
  }

  /** What a call is asked to wait for is not its own time: `allowanceMs`. */
  async function documented(name, call, allowanceMs = 0) {
    let stop = clock(name, deadlineMs() + allowanceMs);
    let loaderError;
    const uncounted = async (loader) => {
      stop();
      try {
        return await loader();
      } catch (error) {
        loaderError = error;
        throw error;
      } finally {
        stop = clock(name, commandTimeoutMs);
      }
    };
    try {
      return await call(uncounted);
    } catch (error) {
      if (error !== loaderError) broken.push({ name, rejected: error.code ?? error.message });
      throw error;
    } finally {
      stop();
    }
  }

  const watched = { ...backplane, broken, watch: documented };
  watched.isRedisAvailable = () => {
    const isAvailable = backplane.isRedisAvailable();
    isFirstAttempt &&= !isAvailable;
    return isAvailable;
  };
  for (const name of DOCUMENTED) {
    watched[name] = (...args) => documented(name, () => backplane[name](...args));
  }
  for (const [part, names] of Object.entries(PARTS)) {
    watched[part] = { ...backplane[part] };
    for (const name of names) {
      watched[part][name] = (...args) => documented(`${part}.${name}`, () => backplane[part][name](...args));
    }
  }
  watched.cacheGetOrSet = (key, loader, options) =>
    documented('cacheGetOrSet', (uncounted) =>
      backplane.cacheGetOrSet(key, () => uncounted(loader), options));

  /** A raw command, as `{ value }` or, since it may fail, `{ code }`. */
  watched.call = (...words) =>
    documented('call', () =>
      backplane.getClient().call(...words).then(
        (value) => ({ value }),
        ({ code }) => ({ code })
      ));
  return watched;
}

module.exports = { witness };
