'use strict';

const { startMeter } = require('../../harness/meter');
const { openObserver } = require('../../harness/observer');
const { serveOrders } = require('../../harness/orders');
const { Line } = require('./line');
const { openSide, redisKey } = require('./sides');

let line;
let stopMeter;

const orders = {
  async open({ side, url }) {
    const redis = await openObserver(url);
    line = new Line(await openSide(side, url), (name) => redis.get(redisKey(side, name)));
  },

  collect: () => globalThis.gc(),
  begin: (options) => line.begin(options),
  end: () => line.end(),

  startMeter() {
    stopMeter = startMeter();
  },

  stopMeter: () => stopMeter(),
};

serveOrders(orders);
