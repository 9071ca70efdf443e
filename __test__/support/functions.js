'use strict';

const { createBackplane } = require('../..');

/**
 * Every function of a backplane, by its name (a second case of one goes by `name, what it is about`):
 * `before` prepares, `call` is made while the server is silent and `answers` this, if that is certain;
 * afterwards `holds` on any other backplane. Functions that tell nothing hold always.
 * Each row is alone on its backplane, and uses names of its own.
 */
const FUNCTIONS = {
  cacheGet: { call: (a) => a.cacheGet('get') },
  cacheSet: {
    before: (a) => a.cacheSet('set', 'old'),
    call: (a) => a.cacheSet('set', 'new'),
    answers: true,
    holds: async (b) => (await b.cacheGet('set')) !== 'old',
  },
  'cacheSet, with a layer before Redis': {
    options: { localCache: { ttlSeconds: 60 } },
    before: (a) => a.cacheSet('set-local', 'old'),
    call: (a) => a.cacheSet('set-local', 'new'),
    answers: true,
    holds: async (b) => (await b.cacheGet('set-local')) !== 'old',
  },
  'cacheSet, of a large value': {
    before: (a) => a.cacheSet('set-large', 'old'),
    call: (a) => a.cacheSet('set-large', 'x'.repeat(400_000)),
    holds: async (b) => (await b.cacheGet('set-large')) !== 'old',
  },
  cacheDelete: {
    before: (a) => a.cacheSet('delete', 'old'),
    call: (a) => a.cacheDelete('delete'),
    answers: true,
    holds: async (b) => (await b.cacheGet('delete')) === null,
  },
  cacheDeletePattern: {
    before: (a) => a.cacheSet('pattern:1', 'old'),
    call: (a) => a.cacheDeletePattern('pattern:*'),
    holds: async (b) => (await b.cacheGet('pattern:1')) === null,
  },
  cacheGetOrSet: { call: (a) => a.cacheGetOrSet('load', () => 'loaded'), answers: 'loaded' },

  'messageCache.generateHash': 'asks nobody',
  'messageCache.get': { call: (a) => a.messageCache.get('m-get') },
  'messageCache.set': {
    before: (a) => a.messageCache.set('m-set', 'old'),
    call: (a) => a.messageCache.set('m-set', 'new'),
    holds: async (b) => (await b.messageCache.get('m-set')) !== 'old',
  },
  'messageCache.clearExpired': 'asks nobody',
  // Of all rows it alone forgets what the others have set; `before` and `holds` are of this row only.
  'messageCache.clear': {
    before: (a) => a.messageCache.set('m-clear', 'old'),
    call: (a) => a.messageCache.clear(),
    holds: async (b) => (await b.messageCache.get('m-clear')) === null,
  },
  'messageCache.getStats': { call: (a) => a.messageCache.getStats() },

  'queryCache.get': { call: (a) => a.queryCache.get('q-get') },
  'queryCache.set': {
    before: (a) => a.queryCache.set('q-set', {}, 'old'),
    call: (a) => a.queryCache.set('q-set', {}, 'new'),
    answers: true,
    holds: async (b) => (await b.queryCache.get('q-set')) !== 'old',
  },
  'queryCache.getOrSet': { call: (a) => a.queryCache.getOrSet('q-load', {}, () => 'loaded'), answers: 'loaded' },
  'queryCache.invalidate': {
    before: (a) => a.queryCache.set('q-pattern:1', {}, 'old'),
    call: (a) => a.queryCache.invalidate('q-pattern:*'),
    holds: async (b) => (await b.queryCache.get('q-pattern:1')) === null,
  },
  'queryCache.invalidateQuery': {
    before: (a) => a.queryCache.set('q-query', {}, 'old'),
    call: (a) => a.queryCache.invalidateQuery('q-query'),
    holds: async (b) => (await b.queryCache.get('q-query')) === null,
  },
  'queryCache.invalidateRoom': {
    before: (a) => a.queryCache.set('q-room', { roomId: 'q' }, 'old'),
    call: (a) => a.queryCache.invalidateRoom('q'),
    holds: async (b) => (await b.queryCache.get('q-room', { roomId: 'q' })) === null,
  },

  'sessionCache.getSession': { call: (a) => a.sessionCache.getSession('s-get') },
  'sessionCache.setSession': {
    call: (a) => a.sessionCache.setSession('s-set', { userId: 'set' }),
    answers: true,
    holds: async (b) => (await b.sessionCache.getSession('s-set'))?.userId === 'set',
  },
  'sessionCache.setSession, over an older one': {
    before: (a) => a.sessionCache.setSession('s-over', { userId: 'over', role: 'admin' }),
    call: (a) => a.sessionCache.setSession('s-over', { userId: 'over', role: 'none' }),
    answers: true,
    holds: async (b) => (await b.sessionCache.getSession('s-over'))?.role === 'none',
  },
  'sessionCache.deleteSession': {
    before: (a) => a.sessionCache.setSession('s-delete', { userId: 'delete' }),
    call: (a) => a.sessionCache.deleteSession('s-delete'),
    answers: true,
    holds: async (b) => (await b.sessionCache.getSession('s-delete')) === null,
  },
  'sessionCache.invalidateUserSessions': {
    before: (a) => a.sessionCache.setSession('s-user', { userId: 'ended' }),
    call: (a) => a.sessionCache.invalidateUserSessions('ended'),
    holds: async (b) => (await b.sessionCache.getSession('s-user')) === null,
  },

  checkRateLimit: { call: (a) => a.checkRateLimit('limit', 5) },
  resetRateLimit: {
    before: (a) => a.checkRateLimit('reset', 1),
    call: (a) => a.resetRateLimit('reset'),
    holds: async (b) => (await b.checkRateLimit('reset', 1)).allowed,
  },
  acquireLock: { call: (a) => a.acquireLock('acquire') },
  releaseLock: {
    before: (a) => a.acquireLock('release', 60),
    call: (a) => a.releaseLock('release'),
    holds: (b) => b.acquireLock('release', 60),
  },
  lock: { call: (a) => a.lock('lock', { waitMs: 0 }) },
  withLock: { call: (a) => a.withLock('with-lock', { waitMs: 0 }, () => 'done') },

  setPresence: {
    call: (a) => a.setPresence('p-set', 'p-set-1', { roomId: 'p-set' }),
    answers: true,
    holds: async (b) => (await b.getOnlineUsersInRoom('p-set')).length === 1 && b.isUserOnline('p-set'),
  },
  'setPresence, of a process that keeps it alive': {
    options: { presence: { heartbeat: true } },
    call: (a) => a.setPresence('p-beat', 'p-beat-1', { roomId: 'p-beat' }),
    answers: true,
    holds: (b) => b.isUserOnline('p-beat'),
  },
  'setPresence, into another room': {
    before: (a) => a.setPresence('p-move', 'p-move-1', { roomId: 'p-from' }),
    call: (a) => a.setPresence('p-move', 'p-move-1', { roomId: 'p-to' }),
    answers: true,
    holds: async (b) =>
      (await b.getOnlineUsersInRoom('p-from')).length === 0 && (await b.getOnlineUsersInRoom('p-to')).length === 1,
  },
  removePresence: {
    before: (a) => a.setPresence('p-gone', 'p-gone-1', { roomId: 'p-gone' }),
    call: (a) => a.removePresence('p-gone', 'p-gone-1'),
    answers: true,
    holds: async (b) => !(await b.isUserOnline('p-gone')) && (await b.getOnlineUsersInRoom('p-gone')).length === 0,
  },
  'removePresence, of a process that keeps it alive': {
    options: { presence: { heartbeat: true } },
    before: (a) => a.setPresence('p-end', 'p-end-1', { roomId: 'p-end' }),
    call: (a) => a.removePresence('p-end', 'p-end-1'),
    answers: true,
    holds: async (b) => !(await b.isUserOnline('p-end')),
  },
  isUserOnline: { call: (a) => a.isUserOnline('p') },
  areUsersOnline: { call: (a) => a.areUsersOnline(['p', 'q']) },
  getUserPresence: { call: (a) => a.getUserPresence('p') },
  getLastSeen: { call: (a) => a.getLastSeen('p') },
  getOnlineUsersInRoom: { call: (a) => a.getOnlineUsersInRoom('p') },
  countOnlineUsersInRoom: { call: (a) => a.countOnlineUsersInRoom('p') },
  getRoomPresence: { call: (a) => a.getRoomPresence('p') },
  watchRoom: { call: (a) => a.watchRoom('p', () => {}) },
  'PresenceService.setOnline': {
    call: (a) => new a.PresenceService().setOnline('ps-set', 'ps-set-1', 'ps-set'),
    holds: (b) => b.isUserOnline('ps-set'),
  },
  'PresenceService.setOffline': {
    before: (a) => new a.PresenceService().setOnline('ps-gone', 'ps-gone-1', 'ps-gone'),
    call: (a) => new a.PresenceService().setOffline('ps-gone', 'ps-gone-1'),
    holds: async (b) => !(await b.isUserOnline('ps-gone')),
  },
  'PresenceService.isOnline': { call: (a) => new a.PresenceService().isOnline('ps') },
  'PresenceService.getOnlineUsers': { call: (a) => new a.PresenceService().getOnlineUsers('ps') },
  'PresenceService.refreshPresence': {
    before: (a) => new a.PresenceService().setOnline('ps-on', 'ps-on-1', 'ps-on'),
    call: (a) => new a.PresenceService().refreshPresence('ps-on', 'ps-on-1', 'ps-other'),
    holds: async (b) => (await b.getOnlineUsersInRoom('ps-other')).length === 1,
  },

  publish: { call: (a) => a.publish('channel', 1) },
  getPubSub: 'asks nobody',
  'RedisPubSub.initialize': { call: (a) => a.getPubSub().initialize() },
  'RedisPubSub.subscribe': { call: (a) => a.getPubSub().subscribe('channel', () => {}) },
  'RedisPubSub.unsubscribe': {
    before: (a) => a.getPubSub().subscribe('channel', () => {}),
    call: (a) => a.getPubSub().unsubscribe('channel'),
    answers: true,
  },
  'RedisPubSub.publish': { call: (a) => a.getPubSub().publish('channel', 1) },
  'RedisPubSub.messages': 'asks nobody',
  'RedisPubSub.close': { call: (a) => a.getPubSub().close() },
  'RedisPubSub.ended': 'asks nobody',
  'RedisPubSub.missed': 'asks nobody',
  'RedisPubSub.isClosed': 'asks nobody',

  createSubscriber: 'asks nobody',
  getClient: 'asks nobody',
  'getClient, a raw command': { call: (a) => a.call('PING') },
  socketIoAdapter: 'asks nobody',
  isRedisAvailable: 'asks nobody',
  getMetrics: { call: (a) => a.getMetrics() },
  prometheusMetrics: 'asks nobody',
  health: { call: (a) => a.health() },
  close: { call: (a) => a.close() },
};

/** The names of all functions that a backplane has, those of its parts and classes included. */
function namesOfFunctions() {
  const backplane = createBackplane();
  const inside = { PresenceService: backplane.PresenceService.prototype, RedisPubSub: backplane.RedisPubSub.prototype };
  return Object.entries(backplane).flatMap(([name, member]) => {
    const parts = inside[name] ?? (typeof member === 'object' ? member : undefined);
    if (parts === undefined) return [name];
    const names = Object.getOwnPropertyNames(parts).filter((part) => part !== 'constructor');
    return names.map((part) => `${name}.${part}`);
  });
}

const nameOf = (row) => row.split(',')[0];

/** The rows that ask a server, as `[what, row]`. */
const CALLS = Object.entries(FUNCTIONS).filter(([, row]) => typeof row !== 'string');

module.exports = { CALLS, FUNCTIONS, nameOf, namesOfFunctions };
