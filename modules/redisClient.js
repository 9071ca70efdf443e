'use strict';

// Replaces a server's own src/infrastructure/database/redisClient.js.

const backplane = require('../index');

module.exports.getClient = backplane.getClient;
module.exports.isRedisAvailable = backplane.isRedisAvailable;
module.exports.acquireLock = backplane.acquireLock;
module.exports.releaseLock = backplane.releaseLock;
module.exports.checkRateLimit = backplane.checkRateLimit;
module.exports.cacheSet = backplane.cacheSet;
module.exports.cacheGet = backplane.cacheGet;
module.exports.cacheDelete = backplane.cacheDelete;
module.exports.cacheDeletePattern = backplane.cacheDeletePattern;
module.exports.setPresence = backplane.setPresence;
module.exports.removePresence = backplane.removePresence;
module.exports.isUserOnline = backplane.isUserOnline;
module.exports.getOnlineUsersInRoom = backplane.getOnlineUsersInRoom;
module.exports.createSubscriber = backplane.createSubscriber;
module.exports.publish = backplane.publish;
module.exports.close = backplane.close;
