'use strict';

const { startMeter } = require('../../harness/meter');
const { serveOrders } = require('../../harness/orders');
const { Receiver } = require('./receiver');
const { openClients, openServer } = require('./rooms');
const { openSide } = require('./sides');

let receiver;
let stopMeter;

const roles = {
  async subscriber({ side, url, channel, batch }) {
    receiver = new Receiver(acknowledge(batch));
    const client = await openSide(side, url);
    await client.subscribe(channel, receiver.lane({ isSampled: true }));
  },

  async server({ side, url }) {
    const { port } = await openServer(side, url);
    return { port };
  },

  async clients({ ports, count, batch }) {
    receiver = new Receiver(acknowledge(batch * ports.length * count));
    await openClients(ports, count, receiver);
  },
};

// The publisher is told of arrivals only now and then, so that the report costs almost nothing.
function acknowledge(every) {
  let arrived = 0;
  return (deliveries) => {
    arrived += deliveries;
    if (arrived < every) return;
    process.send(arrived);
    arrived = 0;
  };
}

const orders = {
  open: ({ role, ...options }) => roles[role](options),

  begin({ isDeep }) {
    receiver?.reset({ isDeep });
    globalThis.gc();
    stopMeter = startMeter();
  },

  end() {
    return { meter: stopMeter(), ...receiver?.report() };
  },
};

serveOrders(orders);
