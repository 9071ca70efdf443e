'use strict';

// Replaces a server's own src/services/presence/presenceService.js.

const backplane = require('../index');

module.exports.PresenceService = backplane.PresenceService;
