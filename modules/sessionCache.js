'use strict';

// Replaces a server's own src/infrastructure/cache/sessionCache.js.

const { sessionCache } = require('../index');

module.exports.getSession = sessionCache.getSession;
module.exports.setSession = sessionCache.setSession;
module.exports.deleteSession = sessionCache.deleteSession;
module.exports.invalidateUserSessions = sessionCache.invalidateUserSessions;
