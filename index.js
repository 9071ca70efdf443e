'use strict';

const { createBackplane } = require('./lib/backplane');

/** Configured from the environment at the first call of one of its functions. */
const backplane = createBackplane();

// One by one, so that `import { cacheGet } from 'redis-backplane'` finds each name.
module.exports.createBackplane = createBackplane;
module.exports.cacheGet = backplane.cacheGet;
module.exports.cacheSet = backplane.cacheSet;
module.exports.cacheDelete = backplane.cacheDelete;
module.exports.cacheDeletePattern = backplane.cacheDeletePattern;
module.exports.cacheGetOrSet = backplane.cacheGetOrSet;
module.exports.messageCache = backplane.messageCache;
module.exports.queryCache = backplane.queryCache;
module.exports.sessionCache = backplane.sessionCache;
module.exports.checkRateLimit = backplane.checkRateLimit;
module.exports.resetRateLimit = backplane.resetRateLimit;
module.exports.acquireLock = backplane.acquireLock;
module.exports.releaseLock = backplane.releaseLock;
module.exports.lock = backplane.lock;
module.exports.withLock = backplane.withLock;
module.exports.setPresence = backplane.setPresence;
module.exports.removePresence = backplane.removePresence;
module.exports.isUserOnline = backplane.isUserOnline;
module.exports.areUsersOnline = backplane.areUsersOnline;
module.exports.getUserPresence = backplane.getUserPresence;
module.exports.getLastSeen = backplane.getLastSeen;
module.exports.getOnlineUsersInRoom = backplane.getOnlineUsersInRoom;
module.exports.countOnlineUsersInRoom = backplane.countOnlineUsersInRoom;
module.exports.getRoomPresence = backplane.getRoomPresence;
module.exports.watchRoom = backplane.watchRoom;
module.exports.PresenceService = backplane.PresenceService;
module.exports.publish = backplane.publish;
module.exports.createSubscriber = backplane.createSubscriber;
module.exports.getPubSub = backplane.getPubSub;
module.exports.RedisPubSub = backplane.RedisPubSub;
module.exports.socketIoAdapter = backplane.socketIoAdapter;
module.exports.isRedisAvailable = backplane.isRedisAvailable;
module.exports.getMetrics = backplane.getMetrics;
module.exports.prometheusMetrics = backplane.prometheusMetrics;
module.exports.health = backplane.health;
module.exports.getClient = backplane.getClient;
module.exports.close = backplane.close;
