'use strict';

const path = require('node:path');
const { Partner } = require('../../harness/partner');
const { recordOf } = require('./messages');
const { Receiver } = require('./receiver');
const { openServers } = require('./rooms');
const { openSide } = require('./sides');

const PARTNER = path.join(__dirname, 'partner-main.js');

// The connection between a publisher, which is this process, and its subscribers: { publish(n),
// begin({ isDeep }, onArrived), end(), close() }.
const LINKS = { local: openLocal, remote: openRemote, room: openRoom };

function openLink(side, url, workload) {
  return LINKS[workload.link](side, url, workload);
}

async function openLocal(side, url, { channels, callbacks }) {
  let arrive;
  const receiver = new Receiver((deliveries) => arrive(deliveries));
  const client = await openSide(side, url);
  const names = Array.from({ length: channels }, (_, index) => channelName(side, index));
  for (const [first, name] of names.entries()) {
    for (let left = callbacks; left > 0; left--) {
      await client.subscribe(name, receiver.lane({ first, step: channels, isSampled: left === 1 }));
    }
  }
  return {
    publish: (n) => client.publish(names[n % channels], recordOf(n)),
    begin(options, onArrived) {
      receiver.reset(options);
      arrive = onArrived;
    },
    end: () => receiver.report(),
    close: () => client.close(),
  };
}

async function openRemote(side, url, { batch }) {
  const subscriber = new Partner(PARTNER);
  const channel = channelName(side, 0);
  await subscriber.open('subscriber', { side, url, channel, batch });
  const client = await openSide(side, url);
  return {
    publish: (n) => client.publish(channel, recordOf(n)),
    begin: (options, onArrived) => subscriber.begin(options, onArrived),
    async end() {
      const { meter, ...report } = await subscriber.end();
      return { ...report, subscriber: meter };
    },
    close() {
      subscriber.close();
      return client.close();
    },
  };
}

async function openRoom(side, url, { clients: count, batch }) {
  const { own, other, clients } = await openServers(side, url, { count, batch });
  return {
    publish: (n) => void own.broadcast(recordOf(n)),
    begin: (options, onArrived) =>
      Promise.all([other.begin({}), clients.begin(options, onArrived)]),
    async end() {
      const [{ meter: subscriber }, report] = await Promise.all([other.end(), clients.end()]);
      return { ...report, subscriber };
    },
    close() {
      other.close();
      clients.close();
    },
  };
}

// All sides share one Redis: none may receive another's messages.
function channelName(side, index) {
  return `bench:${side}:${index}`;
}

module.exports = { openLink, channelName };
