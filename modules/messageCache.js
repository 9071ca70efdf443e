'use strict';

// Replaces a server's own src/core/engine/messageCache.js.

const { messageCache } = require('../index');

module.exports.generateHash = messageCache.generateHash;
module.exports.get = messageCache.get;
module.exports.set = messageCache.set;
module.exports.clearExpired = messageCache.clearExpired;
module.exports.clear = messageCache.clear;
module.exports.getStats = messageCache.getStats;
