'use strict';

// Each part of the package once, for a process that is run with unusual flags; what came of it.

const { createBackplane } = require('../..');

const { url } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };

async function firstOf(messages, publish) {
  const next = messages.next();
  while ((await publish()) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const { value } = await next;
  return [value, await messages.return('done')];
}

async function main() {
  const backplane = createBackplane({ url, logger: silent, keyPrefix: `everything-once:${process.pid}:` });
  const { queryCache, sessionCache, messageCache } = backplane;
  const value = { id: 1, list: [1, 'two', null], deep: { flag: true } };
  // Often enough that a shape is known.
  const sets = Array.from({ length: 40 }, (_, i) => backplane.cacheSet(`k${i}`, { ...value, id: i }));
  const result = { sets: (await Promise.all(sets)).every(Boolean) };
  const reads = await Promise.all(sets.map((_, i) => backplane.cacheGet(`k${i}`)));
  result.reads = reads.every(({ id, deep }, i) => id === i && deep.flag);
  result.loaded = await backplane.cacheGetOrSet('l', () => value, { staleSeconds: 5 });
  result.query = [await queryCache.set('q', { roomId: 'r' }, [1]), await queryCache.get('q', { roomId: 'r' }), await queryCache.invalidateRoom('r')];
  result.session = [await sessionCache.setSession('s', { userId: 'u' }), await sessionCache.getSession('s')];
  const hash = messageCache.generateHash('text', 'a', 'b');
  result.message = [await messageCache.set(hash, { ok: true }), await messageCache.get(hash)];
  result.presence = [await backplane.setPresence('u', 's', { roomId: 'r' }), await backplane.getOnlineUsersInRoom('r')];
  result.limit = (await backplane.checkRateLimit('l', 1)).allowed;
  result.lock = await backplane.withLock('k', {}, (lock) => [typeof lock.fence, lock.signal.aborted]);
  const controller = new AbortController();
  const pubSub = backplane.getPubSub();
  result.messages = await firstOf(pubSub.messages('c', { signal: controller.signal }), () => pubSub.publish('c', value));
  result.error = await backplane.cacheGet('').catch(({ code }) => code);
  result.metrics = [typeof backplane.prometheusMetrics(), backplane.getMetrics().functions.cacheGet.calls > 0, (await backplane.health()).status];
  const subscriber = backplane.createSubscriber();
  const heard = new Promise((resolve) => subscriber.on('message', (...args) => resolve(args)));
  await subscriber.subscribe('d');
  await backplane.publish('d', 1);
  result.handle = [await heard, await subscriber.quit(), await backplane.getClient().call('ECHO', 'hello')];
  await backplane.close();
  console.log(JSON.stringify(result));
}

main();
