'use strict';

// One call of every function that a backplane has, each with keys of the caller's. What a new function does is to be added here: a test
// compares the names with the exports.

const TTL_SECONDS = 3600;
const value = (key, random) => ({ text: key.slice(0, Math.floor(random() * 20_000)) });
const quiet = (promise) => promise.catch(() => {});

/** `(backplane, key, random) => Promise`; `key()` is another key each time, or one from before. */
const FUNCTIONS = {
  cacheGet: (it, key) => it.cacheGet(key()),
  cacheSet: (it, key, random) => it.cacheSet(key(), value(key(), random), TTL_SECONDS),
  cacheDelete: (it, key) => it.cacheDelete(key()),
  cacheDeletePattern: (it, key) => it.cacheDeletePattern(`${key().slice(0, 3)}*`),
  cacheGetOrSet: (it, key, random) => it.cacheGetOrSet(key(), () => value(key(), random), { ttlSeconds: TTL_SECONDS, staleSeconds: 60 }),
  'messageCache.generateHash': async (it, key) => it.messageCache.generateHash(key(), 'a', 'b'),
  'messageCache.get': (it, key) => it.messageCache.get(key()),
  'messageCache.set': (it, key, random) => it.messageCache.set(key(), value(key(), random)),
  'messageCache.clearExpired': async (it) => it.messageCache.clearExpired(),
  'messageCache.clear': async (it, key, random) => (random() < 0.01 ? it.messageCache.clear() : undefined),
  'messageCache.getStats': (it) => it.messageCache.getStats(),
  'queryCache.get': (it, key) => it.queryCache.get(key(), { roomId: key(), page: 1 }),
  'queryCache.set': (it, key, random) => it.queryCache.set(key(), { roomId: key() }, value(key(), random), TTL_SECONDS),
  'queryCache.getOrSet': (it, key, random) => it.queryCache.getOrSet(key(), { roomId: key() }, () => value(key(), random)),
  'queryCache.invalidate': (it, key) => it.queryCache.invalidate(`${key().slice(0, 3)}*`),
  'queryCache.invalidateQuery': (it, key) => it.queryCache.invalidateQuery(key()),
  'queryCache.invalidateRoom': (it, key) => it.queryCache.invalidateRoom(key()),
  'sessionCache.getSession': (it, key) => it.sessionCache.getSession(key()),
  'sessionCache.setSession': (it, key) => it.sessionCache.setSession(key(), { email: key().slice(0, 30_000), userId: key().slice(0, 30_000) }, TTL_SECONDS),
  'sessionCache.deleteSession': (it, key) => it.sessionCache.deleteSession(key()),
  'sessionCache.invalidateUserSessions': (it, key) => it.sessionCache.invalidateUserSessions(key()),
  checkRateLimit: (it, key) => it.checkRateLimit(key(), 100, TTL_SECONDS),
  resetRateLimit: (it, key) => it.resetRateLimit(key()),
  acquireLock: (it, key) => it.acquireLock(key(), TTL_SECONDS),
  releaseLock: (it, key) => it.releaseLock(key()),
  lock: (it, key) => it.lock(key(), { ttlSeconds: TTL_SECONDS, waitMs: 1 }),
  withLock: (it, key) => quiet(it.withLock(key(), { waitMs: 1 }, () => {})),
  setPresence: (it, key) => it.setPresence(key(), key(), { roomId: [key(), key()] }, TTL_SECONDS),
  removePresence: (it, key) => it.removePresence(key(), key()),
  isUserOnline: (it, key) => it.isUserOnline(key()),
  areUsersOnline: (it, key) => it.areUsersOnline([key(), key()]),
  getUserPresence: (it, key) => it.getUserPresence(key()),
  getLastSeen: (it, key) => it.getLastSeen(key()),
  getOnlineUsersInRoom: (it, key) => it.getOnlineUsersInRoom(key()),
  countOnlineUsersInRoom: (it, key) => it.countOnlineUsersInRoom(key()),
  getRoomPresence: (it, key) => it.getRoomPresence(key()),
  watchRoom: async (it, key) => (await it.watchRoom(key(), () => {}))(),
  publish: (it, key, random) => it.publish(key(), value(key(), random)),
  'PresenceService.setOnline': (it, key) => new it.PresenceService().setOnline(key(), key(), key()),
  'PresenceService.setOffline': (it, key) => new it.PresenceService().setOffline(key(), key()),
  'PresenceService.isOnline': (it, key) => new it.PresenceService().isOnline(key()),
  'PresenceService.getOnlineUsers': (it, key) => new it.PresenceService().getOnlineUsers(key()),
  'PresenceService.refreshPresence': (it, key) => new it.PresenceService().refreshPresence(key(), key(), key()),
  'RedisPubSub.initialize': (it) => it.getPubSub().initialize(),
  'RedisPubSub.subscribe': async (it, key) => subscribed(it, 'subscribe', key()),
  'RedisPubSub.unsubscribe': (it, key) => it.getPubSub().unsubscribe(key()),
  'RedisPubSub.publish': (it, key, random) => it.getPubSub().publish(key(), value(key(), random)),
  getClient: (it, key) => quiet(it.getClient().call('GET', key())),
  isRedisAvailable: async (it) => it.isRedisAvailable(),
  getMetrics: async (it) => it.getMetrics(),
  prometheusMetrics: async (it) => it.prometheusMetrics(),
  health: (it) => it.health(),
};

/** Functions of which one call keeps nothing that the next finds, and why they are not called again and again. */
const ONCE = {
  createSubscriber: 'a connection of the caller, ended by the caller',
  getPubSub: 'one a backplane, called by its functions above',
  socketIoAdapter: 'needs a server of Socket.IO; its bounds are tested by itself',
  close: 'ends everything',
  createBackplane: 'makes another',
  'RedisPubSub.close': 'ends what the functions above go on with',
  'RedisPubSub.messages': 'of the caller, and bounded by pubsub.maxQueuedBytes',
  'RedisPubSub.ended': 'called by the queue',
  'RedisPubSub.missed': 'called by the queue',
};

/** Kinds that `memory.maxBytes` bounds. The others have bounds of their own. */
const KEPT = Object.fromEntries(
  ['values', 'tags', 'sessions', 'locks', 'leases', 'waiters', 'gifts', 'limits', 'fills', 'journal', 'resets', 'presence', 'removals', 'subscriptions', 'watches'].map((kind) => [kind, true])
);

/** A subscription that is over at once. */
async function subscribed(it, how, topic) {
  const pubsub = it.getPubSub();
  await pubsub[how](topic, () => {});
  await pubsub.unsubscribe(topic);
}

/** The names of all functions, those of groups and classes after a point. */
function namesOf(backplane) {
  const names = [];
  for (const [name, member] of Object.entries(backplane)) {
    if (typeof member === 'object') names.push(...Object.keys(member).map((inner) => `${name}.${inner}`));
    else if (/^[A-Z]/.test(name)) names.push(...methodsOf(member).map((inner) => `${name}.${inner}`));
    else names.push(name);
  }
  return names;
}

function methodsOf({ prototype }) {
  return Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor' && typeof Object.getOwnPropertyDescriptor(prototype, name).value === 'function');
}

module.exports = { FUNCTIONS, KEPT, ONCE, namesOf };
