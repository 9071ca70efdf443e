'use strict';

// Replaces a server's own src/infrastructure/pubsub/redisPubSub.js.

const backplane = require('../index');

module.exports.RedisPubSub = backplane.RedisPubSub;
module.exports.getPubSub = backplane.getPubSub;
