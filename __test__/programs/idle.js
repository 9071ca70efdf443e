'use strict';

// Uses a backplane, prints the answers, closes nothing. It has to come to its end by itself.

const { createBackplane } = require('../..');

const { options, use } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const backplane = options ? createBackplane({ logger: silent, ...options }) : require('../..');

const print = (result) => console.log(JSON.stringify(result));

const USES = {
  async calls() {
    const set = await backplane.cacheSet('k', 1);
    return { set, get: await backplane.cacheGet('k'), available: backplane.isRedisAvailable() };
  },
  async command() {
    return backplane.getClient().call('ECHO', 'hello');
  },
  async load() {
    return backplane.cacheGetOrSet('loaded', () => new Promise((resolve) => setTimeout(resolve, 20, 'v')));
  },
  async manyBackplanes() {
    const many = Array.from({ length: 20 }, () => createBackplane({ logger: silent, ...options }));
    return Promise.all(many.map((one, i) => one.cacheSet(`k${i}`, i)));
  },
  /** The very last thing is a call; nothing but its answer can print. */
  async pending() {
    return new Promise((resolve) => backplane.cacheGet('absent').then(resolve));
  },
  handle: async () => typeof backplane.getClient().status,
  availability: async () => backplane.isRedisAvailable(),
};

USES[use]().then(print);
