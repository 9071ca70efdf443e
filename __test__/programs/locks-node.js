'use strict';

// A server of its own that takes locks and waits for them, as it is told.

const { createBackplane } = require('../..');
const { block } = require('../support/locks');
const { serve } = require('../support/remote');

const options = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const backplane = createBackplane({ logger: silent, ...options });

/** What a task keeps for the next. */
const kept = {};

backplane.cacheGet('settled').then(() => serve({ backplane, block, kept, stop: () => backplane.close() }));
