'use strict';

// Subscribes, and has nothing else to do until a message comes that only a process that is still
// alive publishes. Then it ends the subscription, and has to come to its end by itself.

const { createBackplane } = require('../..');

const { url, use, end } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const PUBLISH_AFTER_MS = 150;

const backplane = createBackplane({ url, logger: silent, keyPrefix: `${use}:`, connectTimeoutMs: 500, commandTimeoutMs: 500 });
const client = backplane.getClient();

/** Each subscribes, calls `heard` with the message, and answers how it can be ended. */
const USES = {
  async pubSub(heard) {
    const pubSub = backplane.getPubSub();
    await pubSub.subscribe('c', heard);
    return { itself: () => pubSub.unsubscribe('c', heard), handle: () => pubSub.close() };
  },
  async twice(heard) {
    const pubSub = backplane.getPubSub();
    const other = () => {};
    for (const callback of [heard, other, other]) await pubSub.subscribe('c', callback);
    await pubSub.subscribe('other', other);
    await pubSub.unsubscribe('other');
    await pubSub.unsubscribe('never');
    return { itself: () => pubSub.unsubscribe('c'), handle: () => pubSub.close() };
  },
  async iterator(heard) {
    const iterator = backplane.getPubSub().messages('c');
    iterator.next().then(({ value }) => heard(value.data));
    return { itself: () => iterator.return(), handle: () => backplane.getPubSub().close() };
  },
  async listener(heard) {
    const handle = backplane.createSubscriber();
    await handle.subscribe(['c', 'd'], (text) => heard(JSON.parse(text)));
    return { itself: () => handle.unsubscribe(), handle: () => handle.quit() };
  },
  async events(heard) {
    const handle = client.duplicate();
    handle.on('message', (_channel, text) => heard(JSON.parse(text)));
    await handle.subscribe('c', 'd');
    return { itself: () => handle.unsubscribe('c', 'd'), handle: () => handle.disconnect() };
  },
  async pattern(heard) {
    const handle = client.duplicate();
    await handle.pSubscribe('*', (bytes) => heard(JSON.parse(bytes)), true);
    return { itself: () => handle.pUnsubscribe('*'), handle: () => handle.quit() };
  },
};

async function main() {
  const ends = await USES[use]((data) => {
    console.log(JSON.stringify(data));
    if (end === 'backplane') backplane.close();
    else if (end !== 'exit') ends[end]();
    else process.exit(0);
  });
  setTimeout(() => backplane.publish('c', 'heard'), PUBLISH_AFTER_MS).unref();
}

main();
