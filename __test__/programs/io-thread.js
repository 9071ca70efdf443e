'use strict';

// How long a small call waits while something large is done on the same thread, away from Redis. Prints the longest wait of each, ms.

const { performance } = require('node:perf_hooks');
const { createBackplane } = require('../..');

const { url = 'redis://127.0.0.1:1', keys = 100_000 } = JSON.parse(process.argv[2] ?? '{}');
const silent = { debug() {}, info() {}, warn() {}, error() {} };

async function inParts(count, act) {
  for (let i = 0; i < count; i += 1000) {
    await Promise.all(Array.from({ length: Math.min(1000, count - i) }, (_, at) => act(i + at)));
  }
}

/** The longest that a small call takes while `work` is under way. */
async function longestDuring(backplane, work) {
  let isDone = false;
  const done = work().then(() => {
    isDone = true;
  });
  let longest = 0;
  while (!isDone) {
    const begun = performance.now();
    await backplane.cacheGet('small');
    longest = Math.max(longest, performance.now() - begun);
  }
  await done;
  return Math.round(longest * 10) / 10;
}

async function main() {
  const backplane = createBackplane({ url, logger: silent, memory: { maxBytes: 1024 ** 3, maxEntries: 10 * keys } });
  const { cacheSet, queryCache, sessionCache, setPresence } = backplane;
  await cacheSet('small', 1);
  const longest = {};
  longest.nothing = await longestDuring(backplane, () => new Promise((resolve) => setTimeout(resolve, 500)));
  const user = { userId: 'one' };
  await inParts(keys, (i) => cacheSet(`a:${i}`, i));
  longest.cacheDeletePattern = await longestDuring(backplane, () => backplane.cacheDeletePattern('a:*'));
  await inParts(keys, (i) => sessionCache.setSession(`s${i}`, user));
  longest.invalidateUserSessions = await longestDuring(backplane, () => sessionCache.invalidateUserSessions('one'));
  await inParts(keys, (i) => queryCache.set(`q${i}`, { roomId: 'r' }, i));
  longest.invalidate = await longestDuring(backplane, () => queryCache.invalidate('q*'));
  await inParts(keys, (i) => setPresence(`u${i}`, `s${i}`, { roomId: 'large' }));
  longest.countOnlineUsersInRoom = await longestDuring(backplane, () => backplane.countOnlineUsersInRoom('large'));
  longest.getOnlineUsersInRoom = await longestDuring(backplane, () => backplane.getOnlineUsersInRoom('large'));
  longest.getRoomPresence = await longestDuring(backplane, () => backplane.getRoomPresence('large'));
  await backplane.close();
  console.log(JSON.stringify(longest));
}

main();
