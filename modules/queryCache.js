'use strict';

// Replaces a server's own src/infrastructure/cache/queryCache.js.

const { queryCache } = require('../index');

module.exports.get = queryCache.get;
module.exports.set = queryCache.set;
module.exports.getOrSet = queryCache.getOrSet;
module.exports.invalidate = queryCache.invalidate;
module.exports.invalidateQuery = queryCache.invalidateQuery;
module.exports.invalidateRoom = queryCache.invalidateRoom;
