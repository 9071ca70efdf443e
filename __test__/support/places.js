'use strict';

const { startRedis, uniquePrefix } = require('./index');
const { createBackplane } = require('../..');

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Nobody ever listens on port 1: connecting is refused at once. */
const NOBODY = 'redis://127.0.0.1:1';

/** Where calls are answered: by `redis`, or from memory when that is null. */
class Place {
  #opened = [];

  constructor(redis) {
    this.redis = redis;
    this.url = redis ? redis.url : NOBODY;
  }

  /** A backplane whose first attempt to connect has come to its outcome, with a prefix of its own. */
  async open(options) {
    const backplane = this.openCold(options);
    await backplane.cacheGet('settled');
    if (backplane.isRedisAvailable() !== (this.redis !== null)) throw new Error('not where it should be');
    return backplane;
  }

  /** A backplane that has not begun to connect. */
  openCold(options = {}) {
    const backplane = createBackplane({ url: this.url, keyPrefix: uniquePrefix(), logger: silent, ...options });
    this.#opened.push(backplane);
    return backplane;
  }

  /** Closes every backplane, one after the other. */
  async clear() {
    for (const backplane of this.#opened.splice(0)) await backplane.close();
  }

  async end() {
    await this.clear();
    await this.redis?.stop();
  }
}

const onRedis = async (options) => new Place(await startRedis(options));
const onMemory = async () => new Place(null);

/** A place for all tests of a block. What they open there is closed after each. */
function usePlace(start) {
  let place;

  beforeAll(async () => {
    place = await start();
  });

  afterEach(() => place.clear());
  afterAll(() => place.end());

  return {
    get redis() {
      return place.redis;
    },
    get url() {
      return place.url;
    },
    open: (options) => place.open(options),
    openCold: (options) => place.openCold(options),
  };
}

/** For `describe.each`. */
const PLACES = [
  ['redis', onRedis],
  ['memory', onMemory],
];

module.exports = { NOBODY, PLACES, onMemory, onRedis, silent, usePlace };
