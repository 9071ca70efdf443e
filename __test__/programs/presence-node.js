'use strict';

// A server of its own that sets presence and watches rooms, as it is told.

const { createBackplane } = require('../..');
const { serve } = require('../support/remote');

const options = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const backplane = createBackplane({ logger: silent, ...options });

/** What was told of the watched rooms: the type and the socket of each event. */
const told = [];

backplane.cacheGet('settled').then(() => {
  const hear = ({ type, userId, socketId }) => told.push(`${type} ${userId}/${socketId}`);
  serve({ backplane, hear, told, pid: process.pid, stop: () => backplane.close() });
});
