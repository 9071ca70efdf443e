'use strict';

const { cacheGet } = require('redis-backplane');
const redisClient = require('redis-backplane/redisClient');

import('redis-backplane').then((imported) => {
  console.log(JSON.stringify({ same: cacheGet === redisClient.cacheGet && cacheGet === imported.cacheGet }));
});
