'use strict';

// Requires everything, makes backplanes, calls nothing that needs Redis, and waits for its end.

const { url } = JSON.parse(process.argv[2]);
const { createBackplane, cacheGet } = require('../..');
const redisClient = require('../../modules/redisClient');

createBackplane({ url });
createBackplane({ url }).close();
if (redisClient.cacheGet !== cacheGet) process.exitCode = 1;
